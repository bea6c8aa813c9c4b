import { Trash2 } from "lucide-react";
import { memo, type ReactNode } from "react";
import type { ConversationSummary } from "../../protocol/rest";
import { IconButton } from "../../ui/IconButton";

interface ConversationItemProps {
    item: ConversationSummary;
    isOpen: boolean;
    highlight: string;
    onOpen: (id: string) => void;
    onDelete: (item: ConversationSummary) => void;
}

export const ConversationItem = memo(function ConversationItem(props: ConversationItemProps) {
    const { item, isOpen, highlight, onOpen, onDelete } = props;
    const title = item.title || "New conversation";
    return (
        <li
            className="conversation-item"
            data-testid="conversation-item"
            data-id={item.id}
            data-running={item.running}
        >
            <a
                href={`/c/${item.id}`}
                aria-current={isOpen ? "page" : undefined}
                onClick={(event) => {
                    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
                    event.preventDefault();
                    onOpen(item.id);
                }}
            >
                <span className="conversation-title" dir="auto">
                    {title}
                </span>
                {item.running && (
                    <span className="running-dot" role="img" aria-label="an answer is being written" />
                )}
                {item.snippet && (
                    <span className="conversation-snippet">{marked(item.snippet, highlight)}</span>
                )}
            </a>
            <IconButton
                label={`Delete “${title}”`}
                icon={<Trash2 size={15} />}
                className="icon-button conversation-delete"
                onClick={() => onDelete(item)}
            />
        </li>
    );
});

/* marked shows where the searched words are. */
function marked(text: string, words: string): ReactNode {
    const parts = words
        .split(/\s+/)
        .filter((word) => word !== "")
        .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    if (parts.length === 0) return text;
    return text.split(new RegExp(`(${parts.join("|")})`, "gi")).map((part, place) =>
        // biome-ignore lint/suspicious/noArrayIndexKey: the parts have no other identity
        place % 2 === 1 ? <mark key={place}>{part}</mark> : part,
    );
}
