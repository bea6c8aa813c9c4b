import { ArrowUp, Square, X } from "lucide-react";
import { type KeyboardEvent, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ConversationStore } from "../../chat/conversationStore";
import { readDraft, writeDraft } from "../../chat/localStore";
import { preferences } from "../../chat/preferences";
import type { TurnStore } from "../../chat/turnStore";
import { formatBytes } from "../../ui/format";
import { keyWords } from "../../ui/keys";
import { useMedia } from "../../ui/useMedia";
import { useClient, useStore } from "../useClient";
import { ContextMeter, contextAdvice } from "./ContextMeter";
import "./composer.css";

/* A frame holds 1 MiB [W6]; quotes and line breaks grow when they are written as JSON. */
const MESSAGE_MAX_BYTES = 1_000_000;
const DRAFT_MS = 250;
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
    const box = useRef<HTMLTextAreaElement>(null);
    const { enterSends } = useStore(preferences);
    const isTouch = useMedia("(hover: none) and (pointer: coarse)");
    const size =
        text.length > MESSAGE_MAX_BYTES / 4 ? new TextEncoder().encode(JSON.stringify(text)).length : 0;
    const tooLong = size > MESSAGE_MAX_BYTES;
    const isQueueing = useStore(client.isQueueing);
    const canStore = useStore(client.storage).state === "fine";
    const canSend = text.trim() !== "" && !tooLong && status !== "missing" && canStore;
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
    useEffect(() => {
        if (failure) setText((now) => (now === "" ? failure.text : `${failure.text}\n\n${now}`));
    }, [failure, setText]);

    const send = () => {
        if (!canSend || (turn && !waits)) return;
        client.send(conversation, text.trim());
        told.forget();
        setText("");
        box.current?.focus();
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

    return (
        <div className="composer-area">
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
                    onPaste={told.soon}
                    enterKeyHint={isTouch || !enterSends ? "enter" : "send"}
                />
                <div className="composer-row">
                    <Meter turn={turn} used={tokensUsed} max={maxTokens} />
                    {tooLong && (
                        <span className="composer-error" role="alert">
                            Too long: {formatBytes(size)} of at most {formatBytes(MESSAGE_MAX_BYTES)}
                        </span>
                    )}
                    <span className="composer-space" />
                    {turn && <StopButton turn={turn} onStop={() => client.stop(conversation)} />}
                    {(!turn || (waits && text.trim() !== "")) && (
                        <SendButton
                            isEnabled={canSend}
                            title={sendTitle(waits, canStore, enterSends ? "Enter" : keyWords("Mod+Enter"))}
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

function sendTitle(waits: boolean, canStore: boolean, keys: string): string {
    if (!canStore) return "Nothing can be stored now";
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
