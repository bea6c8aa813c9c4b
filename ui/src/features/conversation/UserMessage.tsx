import { memo } from "react";
import type { UserItem } from "../../chat/items";
import { CopyButton } from "../../ui/CopyButton";

export const UserMessage = memo(function UserMessage({ item }: { item: UserItem }) {
    return (
        <article
            className="message message-user"
            data-testid="message-user"
            data-pending={item.id === null || undefined}
            aria-label="Your message"
        >
            <div className="bubble" dir="auto">
                {item.content}
            </div>
            <CopyButton text={() => item.content} label="Copy the message" />
        </article>
    );
});
