import { ArrowDown } from "lucide-react";
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ConversationStore } from "../../chat/conversationStore";
import type { Item } from "../../chat/items";
import { Composer } from "../composer/Composer";
import { WaitingList } from "../composer/WaitingList";
import { ModelHelp } from "../models/ModelHelp";
import { useClient, useServices, useStore } from "../useClient";
import { AssistantMessage } from "./AssistantMessage";
import { EmptyState } from "./EmptyState";
import { UserMessage } from "./UserMessage";
import { useSentences } from "./useSentences";
import { useStickToBottom } from "./useStickToBottom";
import "./conversation.css";

/* How many messages are shown at first, and how many more each time the reader comes to the top. */
const SHOWN_FIRST = 30;
const SHOWN_MORE = 30;

export function ConversationView({ conversation }: { conversation: ConversationStore }) {
    const client = useClient();
    const { status, title, items, turn, waiting } = useStore(conversation);
    const scroller = useRef<HTMLDivElement>(null);
    const content = useRef<HTMLDivElement>(null);
    const { isStuck, jump } = useStickToBottom(scroller, content);
    const hasNew = useHasNew(isStuck, `${items.length} ${turn === null}`);
    const spoken = useSentences(turn);

    /* One's own message is always brought into sight. */
    const lastUserKey = items.findLast((item) => item.kind === "user" && item.id === null)?.key;
    useLayoutEffect(() => {
        if (lastUserKey) jump();
    }, [lastUserKey, jump]);

    const goOn = useCallback(() => client.goOn(conversation), [client, conversation]);
    const canGoOn = status === "ready" && !turn && waiting.length === 0;

    useEffect(() => {
        if (!turn) return;
        const onKey = (event: KeyboardEvent) => {
            if (event.key === "Escape" && !event.defaultPrevented && !isInPopup(event.target))
                client.stop(conversation);
        };
        window.addEventListener("keydown", onKey);
        return () => window.removeEventListener("keydown", onKey);
    }, [turn, client, conversation]);

    return (
        <main className="conversation">
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also with the keyboard */}
            <div className="scroller" ref={scroller} tabIndex={0} role="region" aria-label="Messages">
                <div className="column" ref={content}>
                    {items.length > 0 && <h1 className="visually-hidden">{title || "Conversation"}</h1>}
                    {status === "missing" && <Missing />}
                    {status !== "missing" && status !== "loading" && items.length === 0 && <EmptyState />}
                    <Messages items={items} scroller={scroller} onContinue={canGoOn ? goOn : null} />
                </div>
            </div>
            <div className="conversation-foot">
                {!isStuck && items.length > 0 && (
                    <button
                        type="button"
                        className="jump-latest"
                        data-testid="jump-latest"
                        data-new={hasNew || undefined}
                        onClick={jump}
                    >
                        <ArrowDown size={15} aria-hidden="true" />
                        {jumpWords(turn !== null, hasNew)}
                    </button>
                )}
                {items.length > 0 && <ModelHelp isCompact />}
                <WaitingList conversation={conversation} />
                <Composer conversation={conversation} />
            </div>
            <div className="visually-hidden" aria-live="polite">
                {spoken}
            </div>
        </main>
    );
}

/* useHasNew: something has come since the reader left the end; `mark` changes with it. */
function useHasNew(isStuck: boolean, mark: string): boolean {
    const seen = useRef(mark);
    if (isStuck) seen.current = mark;
    return seen.current !== mark;
}

function jumpWords(isRunning: boolean, hasNew: boolean): string {
    if (isRunning) return "Follow the answer";
    return hasNew ? "New: jump to latest" : "Jump to latest";
}

interface MessagesProps {
    items: readonly Item[];
    scroller: RefObject<HTMLDivElement | null>;
    onContinue: (() => void) | null /* of the last answer */;
}

/* The newest messages; older ones come as the reader scrolls up, without moving what is being read. */
function Messages({ items, scroller, onContinue }: MessagesProps) {
    const [shown, setShown] = useState(SHOWN_FIRST);
    const sentinel = useRef<HTMLDivElement>(null);
    const heightBefore = useRef<number | null>(null);
    const first = Math.max(0, items.length - shown);
    useEffect(() => {
        const mark = sentinel.current;
        const view = scroller.current;
        if (!mark || !view || first === 0) return;
        const observer = new IntersectionObserver(
            (entries) => {
                if (!entries.some((entry) => entry.isIntersecting)) return;
                heightBefore.current = view.scrollHeight - view.scrollTop;
                setShown((now) => now + SHOWN_MORE);
            },
            { root: view, rootMargin: "600px 0px 0px" },
        );
        observer.observe(mark);
        return () => observer.disconnect();
    }, [first, scroller]);
    // biome-ignore lint/correctness/useExhaustiveDependencies: runs after more messages were put on top
    useLayoutEffect(() => {
        const view = scroller.current;
        if (view && heightBefore.current !== null) view.scrollTop = view.scrollHeight - heightBefore.current;
        heightBefore.current = null;
    }, [shown]);
    return (
        <>
            {first > 0 && <div ref={sentinel} className="older-mark" />}
            {items
                .slice(first)
                .map((item) =>
                    item.kind === "assistant" ? (
                        <AssistantMessage
                            key={item.key}
                            item={item}
                            onContinue={item === items.at(-1) ? onContinue : null}
                        />
                    ) : (
                        <UserMessage key={item.key} item={item} />
                    ),
                )}
        </>
    );
}

function Missing() {
    const { navigate } = useServices();
    return (
        <div className="empty">
            <h1>This conversation is not here</h1>
            <p>It was deleted, or the address is not right.</p>
            <button type="button" className="button" onClick={() => navigate("/")}>
                New conversation
            </button>
        </div>
    );
}

/* Esc closes a dialog or a menu first; only then does it stop the answer. */
function isInPopup(target: EventTarget | null): boolean {
    return target instanceof Element && target.closest('[role="dialog"]') !== null;
}
