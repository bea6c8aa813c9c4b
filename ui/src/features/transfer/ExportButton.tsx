import { Download } from "lucide-react";
import { useRef, useState } from "react";
import type { ConversationStore } from "../../chat/conversationStore";
import { IconButton } from "../../ui/IconButton";
import { lazily, Popup } from "../../ui/lazily";

const ExportPopup = lazily(() => import("./ExportPopup"));

export function ExportButton({ conversation }: { conversation: ConversationStore }) {
    const anchor = useRef<HTMLButtonElement>(null);
    const [isOpen, setOpen] = useState(false);
    return (
        <>
            <IconButton
                label="Save this conversation as a file"
                icon={<Download size={18} />}
                data-testid="export-open"
                aria-haspopup="dialog"
                aria-expanded={isOpen}
                ref={anchor}
                onClick={() => setOpen(!isOpen)}
            />
            <Popup
                of={ExportPopup}
                isOpen={isOpen}
                onClose={() => setOpen(false)}
                anchor={anchor}
                id={conversation.id}
            />
        </>
    );
}
