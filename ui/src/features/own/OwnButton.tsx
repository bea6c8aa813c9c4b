import { Ghost, SlidersHorizontal } from "lucide-react";
import { Suspense, useState } from "react";
import type { ConversationStore } from "../../chat/conversationStore";
import { IconButton } from "../../ui/IconButton";
import { lazily } from "../../ui/lazily";
import { useStore } from "../useClient";
import "./own.css";

const OwnDialog = lazily(() => import("./OwnDialog"));

/* What this conversation has of its own; and, before its first message, whether it is to be kept. */
export function OwnButton({ conversation }: { conversation: ConversationStore }) {
    const { id, own, isTemporary, status } = useStore(conversation);
    const [isOpen, setOpen] = useState(false);
    const [wasOpened, setOpened] = useState(false);
    const hasOwn = own.model !== null || own.settings !== null;
    if (status === "missing") return null;
    return (
        <>
            {id === null && (
                <IconButton
                    label={isTemporary ? "Temporary: it will be in no list" : "Make it temporary"}
                    icon={<Ghost size={19} />}
                    data-testid="temporary"
                    aria-pressed={isTemporary}
                    onClick={() => conversation.setTemporary(!isTemporary)}
                />
            )}
            <IconButton
                label="This conversation"
                icon={<SlidersHorizontal size={18} />}
                data-testid="own-open"
                data-marked={hasOwn || undefined}
                aria-haspopup="dialog"
                aria-expanded={isOpen}
                onClick={() => {
                    setOpened(true);
                    setOpen(true);
                }}
            />
            {wasOpened && (
                <Suspense fallback={null}>
                    <OwnDialog isOpen={isOpen} onClose={() => setOpen(false)} conversation={conversation} />
                </Suspense>
            )}
        </>
    );
}
