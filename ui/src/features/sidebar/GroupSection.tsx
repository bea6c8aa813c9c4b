import { Folder, Pencil, Pin } from "lucide-react";
import { type ReactNode, useState } from "react";
import { IconButton } from "../../ui/IconButton";
import type { Group } from "./groupConversations";
import { RenameBox } from "./RenameBox";

const NAME_LENGTH_MAX = 100;

interface GroupSectionProps {
    group: Group;
    onRename: (from: string, to: string) => void;
    children: ReactNode;
}

export function GroupSection({ group, onRename, children }: GroupSectionProps) {
    if (group.kind === "folder")
        return (
            <FolderSection group={group} onRename={onRename}>
                {children}
            </FolderSection>
        );
    return (
        <section aria-label={group.label || "Conversations"}>
            {group.label && (
                <h2>
                    {group.kind === "pinned" && <Pin size={12} aria-hidden="true" />}
                    {group.label}
                </h2>
            )}
            <ul>{children}</ul>
        </section>
    );
}

/* A folder can be closed; it is open again on the next visit. */
function FolderSection({ group, onRename, children }: GroupSectionProps) {
    const [isRenaming, setRenaming] = useState(false);
    const isUnread = group.items.some((item) => item.unread && !item.running);
    return (
        <div className="folder" data-testid="folder">
            {isRenaming && (
                <RenameBox
                    label="Name of the folder"
                    text={group.label}
                    lengthMax={NAME_LENGTH_MAX}
                    onDone={(next) => {
                        setRenaming(false);
                        if (next !== null) onRename(group.label, next);
                    }}
                />
            )}
            <details open data-unread={isUnread || undefined}>
                <summary hidden={isRenaming}>
                    <Folder size={15} aria-hidden="true" />
                    <span>{group.label}</span>
                    <small>{group.items.length}</small>
                </summary>
                <ul aria-label={group.label}>{children}</ul>
            </details>
            {!isRenaming && (
                <IconButton
                    label={`Rename the folder “${group.label}”`}
                    className="icon-button conversation-more"
                    icon={<Pencil size={15} aria-hidden="true" />}
                    data-testid="folder-rename"
                    onClick={() => setRenaming(true)}
                />
            )}
        </div>
    );
}
