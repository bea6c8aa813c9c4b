import { Pencil } from "lucide-react";
import { memo, Suspense } from "react";
import type { Branch } from "../../chat/branches";
import type { UserItem } from "../../chat/items";
import { CopyButton } from "../../ui/CopyButton";
import { IconButton } from "../../ui/IconButton";
import { lazily } from "../../ui/lazily";
import { MenuButton } from "../../ui/MenuButton";
import { MessageChips } from "../attachments/FileChips";
import { BranchSwitcher } from "./BranchSwitcher";
import type { MessageActions } from "./useMessageActions";

const EditMessage = lazily(() => import("./EditMessage"));

interface UserMessageProps {
    item: UserItem;
    branch: Branch | undefined;
    isEditing: boolean;
    canChange: boolean /* no answer is being written */;
    actions: MessageActions;
}

export const UserMessage = memo(function UserMessage(props: UserMessageProps) {
    const { item, branch, isEditing, canChange, actions } = props;
    const { id } = item;
    return (
        <article
            className="message message-user"
            data-testid="message-user"
            data-message={id ?? undefined}
            data-pending={id === null || undefined}
            aria-label="Your message"
        >
            {isEditing && id !== null ? (
                <Suspense fallback={<div className="bubble">{item.content}</div>}>
                    <EditMessage
                        text={item.content}
                        onSend={(text) => actions.edit(id, text)}
                        onCancel={() => actions.setEditing(null)}
                    />
                </Suspense>
            ) : (
                <>
                    <div className="said">
                        <MessageChips attachments={item.attachments} />
                        {item.content !== "" && (
                            <div className="bubble" dir="auto">
                                {item.content}
                            </div>
                        )}
                    </div>
                    <div className="user-tools">
                        <span className="hover-tools">
                            <CopyButton text={() => item.content} label="Copy the message" />
                            {id !== null && canChange && (
                                <>
                                    <IconButton
                                        className="tool-button"
                                        label="Edit"
                                        data-testid="edit"
                                        icon={<Pencil size={15} aria-hidden="true" />}
                                        onClick={() => actions.setEditing(item.key)}
                                    />
                                    <MenuButton
                                        className="tool-button"
                                        label="More about this message"
                                        data-testid="message-more"
                                        actions={() => actions.more(id)}
                                    />
                                </>
                            )}
                        </span>
                        <BranchSwitcher branch={branch} onSelect={actions.select} />
                    </div>
                </>
            )}
        </article>
    );
});
