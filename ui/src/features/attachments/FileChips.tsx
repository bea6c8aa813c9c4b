import { FileText, FileWarning, LoaderCircle, X } from "lucide-react";
import type { Attachment } from "../../protocol/frames";
import { attachmentUrl } from "../../protocol/rest";
import { formatBytes } from "../../ui/format";
import { IconButton } from "../../ui/IconButton";
import type { DraftFile } from "./useFiles";
import "./attachments.css";

/* The files of the message that is being written. */
export function DraftChips({
    files,
    onRemove,
}: {
    files: readonly DraftFile[];
    onRemove: (key: number) => void;
}) {
    if (files.length === 0) return null;
    return (
        <ul className="chips" aria-label="Files of this message" data-testid="draft-files">
            {files.map((file) => (
                <li key={file.key} className="chip" data-state={file.state} data-testid="draft-file">
                    <ChipIcon state={file.state} />
                    <span className="chip-words">
                        <span className="chip-name" dir="auto" title={file.name}>
                            {file.name}
                        </span>
                        <span className="chip-note" role={file.state === "failed" ? "alert" : undefined}>
                            {noteOf(file)}
                        </span>
                    </span>
                    <IconButton
                        className="chip-remove"
                        label={`Remove ${file.name}`}
                        icon={<X size={14} />}
                        onClick={() => onRemove(file.key)}
                    />
                </li>
            ))}
        </ul>
    );
}

/* The files of a message that was sent. */
export function MessageChips({ attachments }: { attachments: readonly Attachment[] }) {
    if (attachments.length === 0) return null;
    return (
        <ul className="chips" aria-label="Files of this message">
            {attachments.map((file) => (
                <li key={file.id}>
                    <a
                        className="chip"
                        href={attachmentUrl(file.id)}
                        download={file.name}
                        data-testid="message-file"
                        data-tip="Save this file"
                    >
                        <ChipIcon state="ready" />
                        <span className="chip-words">
                            <span className="chip-name" dir="auto">
                                {file.name}
                            </span>
                            <span className="chip-note">{sizeOf(file)}</span>
                        </span>
                    </a>
                </li>
            ))}
        </ul>
    );
}

function ChipIcon({ state }: { state: DraftFile["state"] }) {
    if (state === "reading")
        return <LoaderCircle className="chip-icon spinning" size={18} aria-hidden="true" />;
    if (state === "failed") return <FileWarning className="chip-icon" size={18} aria-hidden="true" />;
    return <FileText className="chip-icon" size={18} aria-hidden="true" />;
}

function noteOf(file: DraftFile): string {
    if (file.state === "failed") return file.error;
    if (file.state === "reading") return "Reading…";
    return file.attachment ? sizeOf(file.attachment) : formatBytes(file.sizeBytes);
}

function sizeOf(file: Attachment): string {
    const isPdf = file.type === "application/pdf";
    return isPdf ? `PDF · ${formatBytes(file.textBytes ?? 0)} of text` : formatBytes(file.sizeBytes);
}
