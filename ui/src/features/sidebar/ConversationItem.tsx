import { Archive, ArchiveRestore, Folder, Pencil, Pin, PinOff, RotateCcw, Trash2 } from "lucide-react";
import { memo, type ReactNode, useState } from "react";
import type { ConversationSummary, View } from "../../protocol/rest";
import { type MenuAction, MenuButton } from "../../ui/MenuButton";
import { RenameBox } from "./RenameBox";
import type { ListActions } from "./useConversations";

interface ConversationItemProps {
    item: ConversationSummary;
    view: View;
    isOpen: boolean;
    isChosen: boolean | null /* null: nothing is being chosen */;
    actions: ListActions;
    onOpen: (id: string) => void;
    onChoose: (id: string) => void;
    onMove: (item: ConversationSummary) => void;
}

export const ConversationItem = memo(function ConversationItem(props: ConversationItemProps) {
    const { item, view, isOpen, isChosen, actions, onOpen, onChoose, onMove } = props;
    const [isRenaming, setRenaming] = useState(false);
    const title = item.title || "New conversation";
    const isUnread = item.unread && !item.running && !isOpen;
    return (
        <li
            className="conversation-item"
            data-testid="conversation-item"
            data-id={item.id}
            data-running={item.running}
            data-unread={isUnread || undefined}
            data-choosing={isChosen !== null || undefined}
        >
            {isRenaming ? (
                <RenameBox
                    label="Name of the conversation"
                    text={item.title}
                    lengthMax={250}
                    onDone={(next) => {
                        setRenaming(false);
                        if (next !== null) actions.rename(item, next);
                    }}
                />
            ) : isChosen !== null ? (
                <label>
                    <input
                        type="checkbox"
                        checked={isChosen}
                        data-testid="choose"
                        onChange={() => onChoose(item.id)}
                    />
                    <span className="conversation-title" dir="auto">
                        {title}
                    </span>
                </label>
            ) : (
                <ItemLink item={item} isOpen={isOpen} isDead={view === "trash"} onOpen={onOpen}>
                    <span className="conversation-title" dir="auto">
                        {title}
                    </span>
                    {item.running && (
                        <span className="running-dot" role="img" aria-label="an answer is being written" />
                    )}
                    {isUnread && (
                        <span
                            className="unread-dot"
                            role="img"
                            aria-label="not read yet"
                            data-testid="unread"
                        />
                    )}
                </ItemLink>
            )}
            {!isRenaming && isChosen === null && (
                <MenuButton
                    label={`More about “${title}”`}
                    className="icon-button conversation-more"
                    data-testid="conversation-more"
                    actions={() => menuOf(item, view, actions, () => setRenaming(true), onMove)}
                />
            )}
        </li>
    );
});

interface ItemLinkProps {
    item: ConversationSummary;
    isOpen: boolean;
    isDead: boolean /* it is in the trash: there is nothing to open */;
    onOpen: (id: string) => void;
    children: ReactNode;
}

function ItemLink({ item, isOpen, isDead, onOpen, children }: ItemLinkProps) {
    if (isDead) return <span className="conversation-dead">{children}</span>;
    return (
        <a
            href={`/c/${item.id}`}
            aria-current={isOpen ? "page" : undefined}
            onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
                event.preventDefault();
                onOpen(item.id);
            }}
        >
            {children}
        </a>
    );
}

function menuOf(
    item: ConversationSummary,
    view: View,
    actions: ListActions,
    onRename: () => void,
    onMove: (item: ConversationSummary) => void,
): MenuAction[] {
    const one = (action: "archive" | "unarchive" | "delete" | "restore" | "purge") => () =>
        void actions.all([item.id], { action });
    if (view === "trash")
        return [
            { label: "Restore", icon: <RotateCcw size={15} />, run: one("restore") },
            { label: "Delete for ever", icon: <Trash2 size={15} />, run: one("purge"), isDanger: true },
        ];
    return [
        { label: "Rename", icon: <Pencil size={15} />, run: onRename },
        {
            label: item.pinned ? "Unpin" : "Pin",
            icon: item.pinned ? <PinOff size={15} /> : <Pin size={15} />,
            run: () => actions.pin(item),
        },
        { label: "Move to folder…", icon: <Folder size={15} />, run: () => onMove(item) },
        item.archived
            ? { label: "Out of the archive", icon: <ArchiveRestore size={15} />, run: one("unarchive") }
            : { label: "Archive", icon: <Archive size={15} />, run: one("archive") },
        { label: "Delete", icon: <Trash2 size={15} />, run: one("delete"), isDanger: true },
    ];
}
