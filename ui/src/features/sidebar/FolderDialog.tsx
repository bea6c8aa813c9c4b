import { Folder, FolderMinus } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import type { Folder as FolderRow } from "../../protocol/rest";
import { DialogFrame } from "../../ui/DialogFrame";
import type { PopupProps } from "../../ui/lazily";
import { showToast } from "../../ui/toasts";
import { useClient } from "../useClient";
import "./folders.css";

interface FolderDialogProps extends PopupProps {
    count: number /* of conversations that are moved */;
    current: string | null /* the folder that they are in, if it is one */;
    onChosen: (folder: string | null) => void;
}

/* Where conversations are put: a folder is there for as long as something is in it. */
export default function FolderDialog({ isOpen, onClose, count, current, onChosen }: FolderDialogProps) {
    const choose = (folder: string | null) => {
        onChosen(folder);
        onClose();
    };
    return (
        <DialogFrame
            title={count > 1 ? `Move ${count} conversations` : "Move to a folder"}
            className="folders"
            testId="folder-dialog"
            isOpen={isOpen}
            onClose={onClose}
        >
            {isOpen && <FolderBody current={current} onChosen={choose} />}
        </DialogFrame>
    );
}

function FolderBody({ current, onChosen }: Pick<FolderDialogProps, "current" | "onChosen">) {
    const { rest } = useClient();
    const [folders, setFolders] = useState<FolderRow[]>([]);
    const [name, setName] = useState("");
    useEffect(() => {
        rest.folders().then(setFolders, (error: Error) => showToast(error.message, { isError: true }));
    }, [rest]);
    const create = (event: FormEvent) => {
        event.preventDefault();
        if (name.trim()) onChosen(name.trim());
    };
    return (
        <div className="folders-body">
            {(folders.length > 0 || current !== null) && (
                <ul className="folder-list">
                    {folders.map((folder) => (
                        <li key={folder.name}>
                            <button
                                type="button"
                                aria-current={folder.name === current || undefined}
                                onClick={() => onChosen(folder.name)}
                            >
                                <Folder size={16} aria-hidden="true" />
                                <span>{folder.name}</span>
                                <small>{folder.count}</small>
                            </button>
                        </li>
                    ))}
                    {current !== null && (
                        <li>
                            <button type="button" onClick={() => onChosen(null)}>
                                <FolderMinus size={16} aria-hidden="true" />
                                <span>No folder</span>
                            </button>
                        </li>
                    )}
                </ul>
            )}
            <form className="folder-new" onSubmit={create}>
                <input
                    className="field-control"
                    aria-label="Name of a new folder"
                    placeholder="New folder"
                    autoComplete="off"
                    maxLength={100}
                    value={name}
                    data-testid="folder-name"
                    onChange={(event) => setName(event.target.value)}
                />
                <button type="submit" className="button button-primary" disabled={name.trim() === ""}>
                    Move
                </button>
            </form>
        </div>
    );
}
