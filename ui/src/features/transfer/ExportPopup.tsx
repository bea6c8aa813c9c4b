import { Popover } from "@base-ui/react/popover";
import { FileBraces, FileText, Hash } from "lucide-react";
import type { RefObject } from "react";
import { exportUrl } from "../../protocol/rest";
import type { PopupProps } from "../../ui/lazily";
import "./transfer.css";

interface ExportPopupProps extends PopupProps {
    anchor: RefObject<HTMLElement | null>;
    id: string | null;
}

const FORMS = [
    { form: "markdown", label: "Markdown", note: "to read and to share", Icon: Hash },
    { form: "text", label: "Plain text", note: "the words alone", Icon: FileText },
    { form: "json", label: "JSON", note: "everything, to import again", Icon: FileBraces },
] as const;

/* A conversation as a file. */
export default function ExportPopup({ isOpen, onClose, anchor, id }: ExportPopupProps) {
    return (
        <Popover.Root open={isOpen} onOpenChange={(next) => !next && onClose()}>
            <Popover.Portal>
                <Popover.Positioner anchor={anchor} sideOffset={6} align="end" className="popover-positioner">
                    <Popover.Popup
                        className="popover export-popup"
                        aria-label="Save this conversation as a file"
                        finalFocus={anchor}
                    >
                        <Popover.Title className="export-title">Save as</Popover.Title>
                        <ul>
                            {id !== null &&
                                FORMS.map(({ form, label, note, Icon }) => (
                                    <li key={form}>
                                        <a
                                            href={exportUrl(id, form)}
                                            download
                                            data-testid={`export-${form}`}
                                            onClick={onClose}
                                        >
                                            <Icon size={17} aria-hidden="true" />
                                            <span>
                                                {label}
                                                <small>{note}</small>
                                            </span>
                                        </a>
                                    </li>
                                ))}
                        </ul>
                    </Popover.Popup>
                </Popover.Positioner>
            </Popover.Portal>
        </Popover.Root>
    );
}
