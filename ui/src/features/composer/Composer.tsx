import { ArrowUp, FileUp, Paperclip, Square, X } from "lucide-react";
import {
    type ClipboardEvent,
    type KeyboardEvent,
    useCallback,
    useEffect,
    useLayoutEffect,
    useRef,
    useState,
} from "react";
import type { ConversationStore } from "../../chat/conversationStore";
import { readDraft, writeDraft } from "../../chat/localStore";
import { preferences } from "../../chat/preferences";
import type { TurnStore } from "../../chat/turnStore";
import { formatBytes } from "../../ui/format";
import { IconButton } from "../../ui/IconButton";
import { keyWords } from "../../ui/keys";
import { showToast } from "../../ui/toasts";
import { useMedia } from "../../ui/useMedia";
import { DraftChips } from "../attachments/FileChips";
import { useDrop } from "../attachments/useDrop";
import { useFiles } from "../attachments/useFiles";
import { useClient, useStore } from "../useClient";
import { ContextMeter, contextAdvice } from "./ContextMeter";
import "./composer.css";

/* A frame holds 1 MiB [W6]; quotes and line breaks grow when they are written as JSON. */
const MESSAGE_MAX_BYTES = 1_000_000;
const DRAFT_MS = 250;
/* Text that is pasted and is longer becomes a file: what is asked about it stays in sight. */
const PASTE_MAX_LETTERS = 5000;
/* A pause in typing after which the model may begin to read. */
const PAUSE_MS = 300;
/* A box that is measured costs a layout of the page for every letter. */
const SIZES_ITSELF = typeof CSS !== "undefined" && CSS.supports?.("field-sizing", "content") === true;

interface ComposerProps {
    conversation: ConversationStore;
}

export function Composer({ conversation }: ComposerProps) {
    const client = useClient();
    const { id, turn, failure, tokensUsed, maxTokens, status } = useStore(conversation);
    const [text, setText] = useDraft(id);
    const told = useTold(conversation, text);
    const attached = useFiles(id);
    const isDropping = useDrop(attached.add);
    const box = useRef<HTMLTextAreaElement>(null);
    const { enterSends } = useStore(preferences);
    const isTouch = useMedia("(hover: none) and (pointer: coarse)");
    const size =
        text.length > MESSAGE_MAX_BYTES / 4 ? new TextEncoder().encode(JSON.stringify(text)).length : 0;
    const tooLong = size > MESSAGE_MAX_BYTES;
    const isQueueing = useStore(client.isQueueing);
    const canStore = useStore(client.storage).state === "fine";
    const hasFiles = attached.files.length > 0;
    const filesAreReady = attached.files.every((file) => file.state === "ready") && attached.error === "";
    const isEmpty = text.trim() === "" && !hasFiles;
    const canSend = !isEmpty && filesAreReady && !tooLong && status !== "missing" && canStore;
    const waits = turn !== null && isQueueing;

    useLayoutEffect(() => {
        const area = box.current;
        if (!area || SIZES_ITSELF) return;
        /* The box is measured anew for each text: it grows with it up to the height that its style allows. */
        area.style.height = "0";
        area.style.height = text === "" ? "" : `${area.scrollHeight}px`;
    }, [text]);

    useEffect(() => {
        if (!isTouch) box.current?.focus();
    }, [isTouch]);

    /* A message that was not taken comes back, before what was begun meanwhile. */
    const { restore } = attached;
    useEffect(() => {
        if (!failure) return;
        setText((now) => [failure.text, now].filter((part) => part !== "").join("\n\n"));
        if (failure.attachments) restore(failure.attachments);
    }, [failure, setText, restore]);

    const send = () => {
        if (!canSend || (turn && !waits)) return;
        if (hasFiles) client.send(conversation, text.trim(), attached.ready);
        else client.send(conversation, text.trim());
        told.forget();
        setText("");
        attached.clear();
        box.current?.focus();
    };
    /* The button goes with the answer: whoever stopped it can write at once. */
    const stop = () => {
        client.stop(conversation);
        if (!isTouch) box.current?.focus();
    };
    const onKeyDown = (event: KeyboardEvent) => {
        if (event.key === "ArrowUp" && text === "" && !turn) {
            const last = conversation.get().path.findLast((item) => item.kind === "user");
            if (last?.kind !== "user" || last.id === null) return;
            event.preventDefault();
            conversation.setEditing(last.key);
            return;
        }
        if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
        if ((isTouch || !enterSends) && !event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        send();
    };

    const onPaste = (event: ClipboardEvent) => {
        const pasted = event.clipboardData.getData("text/plain");
        const files = [...event.clipboardData.files];
        /* What a table or a document puts beside its text is a picture of it. */
        if (files.length > 0 && pasted === "") {
            event.preventDefault();
            attached.add(files);
        } else if (pasted.length > PASTE_MAX_LETTERS) {
            event.preventDefault();
            attached.add([
                pastedFile(pasted, attached.files.filter((file) => file.name.startsWith(PASTED)).length),
            ]);
            showToast("Long text was attached as a file", {
                action: { label: "Put it into the message", run: () => setText((now) => now + pasted) },
            });
        } else told.soon();
    };

    return (
        <div className="composer-area">
            {isDropping && (
                <div className="drop-veil" data-testid="drop-veil">
                    <FileUp size={32} aria-hidden="true" />
                    Drop files here
                    <p>Text, code or PDF</p>
                </div>
            )}
            {failure?.error && (
                <div className="composer-failure" role="alert">
                    <span>Not sent: {failure.error}</span>
                    <button type="button" aria-label="Dismiss" onClick={() => conversation.dismissFailure()}>
                        <X size={15} />
                    </button>
                </div>
            )}
            <form
                className="composer"
                onSubmit={(event) => {
                    event.preventDefault();
                    send();
                }}
            >
                <DraftChips files={attached.files} onRemove={attached.remove} />
                <textarea
                    ref={box}
                    data-testid="composer"
                    aria-label="Message"
                    placeholder={waits ? "Write the next message" : "Write a message"}
                    rows={1}
                    dir="auto"
                    value={text}
                    onChange={(event) => setText(event.target.value)}
                    onKeyDown={onKeyDown}
                    onPaste={onPaste}
                    enterKeyHint={isTouch || !enterSends ? "enter" : "send"}
                />
                <div className="composer-row">
                    <AttachButton onFiles={attached.add} />
                    <Meter turn={turn} used={tokensUsed} max={maxTokens} />
                    {attached.error && (
                        <span className="composer-error" role="alert">
                            {attached.error}
                        </span>
                    )}
                    {tooLong && (
                        <span className="composer-error" role="alert">
                            Too long: {formatBytes(size)} of at most {formatBytes(MESSAGE_MAX_BYTES)}
                        </span>
                    )}
                    <span className="composer-space" />
                    {turn && <StopButton turn={turn} onStop={stop} />}
                    {(!turn || (waits && !isEmpty)) && (
                        <SendButton
                            isEnabled={canSend}
                            title={sendTitle(
                                waits,
                                canStore,
                                !hasFiles || filesAreReady,
                                enterSends ? "Enter" : keyWords("Mod+Enter"),
                            )}
                        />
                    )}
                </div>
            </form>
        </div>
    );
}

/* The draft belongs to the conversation: it is read when it is opened and kept while it is written. */
function useDraft(id: string | null) {
    const [text, setText] = useState(() => readDraft(id));
    const latest = useRef({ id, text });
    const flush = useCallback(() => writeDraft(latest.current.id, latest.current.text), []);
    useEffect(() => {
        /* A new conversation has got its id: what was begun meanwhile goes with it. */
        if (latest.current.id !== id) writeDraft(latest.current.id, "");
        latest.current = { id, text };
        const timer = setTimeout(flush, text === "" ? 0 : DRAFT_MS);
        return () => clearTimeout(timer);
    }, [id, text, flush]);
    useEffect(() => {
        window.addEventListener("pagehide", flush);
        return () => {
            window.removeEventListener("pagehide", flush);
            flush();
        };
    }, [flush]);
    return [text, setText] as const;
}

/* Tells the server what is being typed: after a pause, and at once when something was pasted. What was sent, or taken back by hand, is not
 * told any more. */
function useTold(conversation: ConversationStore, text: string) {
    const client = useClient();
    const last = useRef("");
    const isPasted = useRef(false);
    const typed = text.trim();
    useEffect(() => {
        const wait = isPasted.current ? 0 : PAUSE_MS;
        isPasted.current = false;
        if (typed === last.current || typed.length > MESSAGE_MAX_BYTES / 4) return;
        const timer = setTimeout(() => {
            last.current = typed;
            client.draft(conversation, typed);
        }, wait);
        return () => clearTimeout(timer);
    }, [client, conversation, typed]);
    return {
        soon: () => {
            isPasted.current = true;
        },
        forget: () => {
            last.current = "";
        },
    };
}

const PASTED = "Pasted text";

function pastedFile(text: string, count: number): File {
    const name = `${PASTED}${count === 0 ? "" : ` ${count + 1}`}.txt`;
    return new File([text], name, { type: "text/plain" });
}

function AttachButton({ onFiles }: { onFiles: (files: File[]) => void }) {
    const input = useRef<HTMLInputElement>(null);
    return (
        <>
            <IconButton
                className="icon-button attach-button"
                label="Attach files"
                data-testid="attach"
                icon={<Paperclip size={18} />}
                onClick={() => input.current?.click()}
            />
            <input
                ref={input}
                type="file"
                multiple
                hidden
                aria-label="Files to attach"
                data-testid="attach-input"
                onChange={(event) => {
                    onFiles([...(event.target.files ?? [])]);
                    /* The same file can be chosen again. */
                    event.target.value = "";
                }}
            />
        </>
    );
}

function sendTitle(waits: boolean, canStore: boolean, filesAreReady: boolean, keys: string): string {
    if (!canStore) return "Nothing can be stored now";
    if (!filesAreReady) return "Wait for the files, or remove those that cannot be read";
    return waits ? `Send: it is answered when its turn comes (${keys})` : `Send (${keys})`;
}

function SendButton({ isEnabled, title }: { isEnabled: boolean; title: string }) {
    return (
        <button
            type="submit"
            className="send-button"
            data-testid="send"
            aria-label="Send"
            data-tip={title}
            disabled={!isEnabled}
        >
            <ArrowUp size={18} />
        </button>
    );
}

function StopButton({ turn, onStop }: { turn: TurnStore; onStop: () => void }) {
    const { stopping } = useStore(turn);
    return (
        <button
            type="button"
            className="send-button"
            data-testid="stop"
            aria-label={stopping ? "Stopping" : "Stop"}
            data-tip="Stop (Esc)"
            aria-disabled={stopping}
            onClick={onStop}
        >
            <Square size={14} fill="currentColor" />
        </button>
    );
}

interface MeterProps {
    turn: TurnStore | null;
    used: number | null;
    max: number | null;
}

function Meter({ turn, used, max }: MeterProps) {
    return turn ? <LiveMeter turn={turn} used={used} max={max} /> : <MeterWithAdvice used={used} max={max} />;
}

function LiveMeter({ turn, used, max }: MeterProps & { turn: TurnStore }) {
    const { tokensUsed, maxTokens } = useStore(turn);
    return <MeterWithAdvice used={tokensUsed ?? used} max={maxTokens ?? max} />;
}

function MeterWithAdvice({ used, max }: Omit<MeterProps, "turn">) {
    const advice = contextAdvice(used, max);
    return (
        <>
            <ContextMeter used={used} max={max} />
            {advice && <span className="context-advice">{advice}</span>}
        </>
    );
}
