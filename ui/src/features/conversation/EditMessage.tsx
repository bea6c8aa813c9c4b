import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { preferences } from "../../chat/preferences";
import { useMedia } from "../../ui/useMedia";
import { useStore } from "../useClient";
import "./edit.css";

interface EditMessageProps {
    text: string;
    onSend: (text: string) => void;
    onCancel: () => void;
}

/* A message is written anew in its place. What was said before stays, as another version. */
export default function EditMessage({ text, onSend, onCancel }: EditMessageProps) {
    const [draft, setDraft] = useState(text);
    const { enterSends } = useStore(preferences);
    const isTouch = useMedia("(hover: none) and (pointer: coarse)");
    const box = useRef<HTMLTextAreaElement>(null);
    const canSend = draft.trim() !== "";
    useEffect(() => {
        box.current?.focus();
        box.current?.setSelectionRange(text.length, text.length);
        /* When it is done, the next message is written where it always is. */
        return () => {
            if (!isTouch) document.querySelector<HTMLElement>("[data-testid=composer]")?.focus();
        };
    }, [text.length, isTouch]);
    const send = () => canSend && onSend(draft.trim());
    const onKeyDown = (event: KeyboardEvent) => {
        if (event.key === "Escape") {
            event.preventDefault();
            onCancel();
        }
        if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
        if ((isTouch || !enterSends) && !event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        send();
    };
    return (
        <form
            className="edit-message"
            onSubmit={(event) => {
                event.preventDefault();
                send();
            }}
        >
            <textarea
                ref={box}
                aria-label="Write this message anew"
                data-testid="edit-box"
                dir="auto"
                rows={1}
                value={draft}
                onChange={(event) => setDraft(event.target.value)}
                onKeyDown={onKeyDown}
            />
            <div className="edit-foot">
                <button type="button" className="button" onClick={onCancel}>
                    Cancel
                </button>
                <button
                    type="submit"
                    className="button button-primary"
                    data-testid="edit-send"
                    disabled={!canSend}
                >
                    Send
                </button>
            </div>
        </form>
    );
}
