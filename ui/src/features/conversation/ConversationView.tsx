import { ArrowDown } from "lucide-react";
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import type { Branch } from "../../chat/branches";
import type { ConversationStore } from "../../chat/conversationStore";
import type { Item } from "../../chat/items";
import { Composer } from "../composer/Composer";
import { WaitingList } from "../composer/WaitingList";
import { ModelHelp } from "../models/ModelHelp";
import { useClient, useServices, useStore } from "../useClient";
import { AssistantMessage } from "./AssistantMessage";
import { EmptyState } from "./EmptyState";
import { UserMessage } from "./UserMessage";
import { type MessageActions, useMessageActions } from "./useMessageActions";
import { useSentences } from "./useSentences";
import { useStickToBottom } from "./useStickToBottom";
import "./conversation.css";

/* Where the reader was brought: a new object each time, also to the same place. */
export interface Place {
    message: string | null;
}

/* How many messages are shown at first, how many more each time the reader comes to an edge, and at most. */
const SHOWN_FIRST = 30;
const SHOWN_MORE = 30;
/* Far more than a screen and both margins hold, or the two edges would chase each other. */
const SHOWN_MAX = 90;

interface ConversationViewProps {
    conversation: ConversationStore;
    place: Place;
}

export function ConversationView({ conversation, place }: ConversationViewProps) {
    const client = useClient();
    const { status, title, items, path, branches, editing, turn, waiting } = useStore(conversation);
    const scroller = useRef<HTMLDivElement>(null);
    const content = useRef<HTMLDivElement>(null);
    const { isStuck, jump, letGo } = useStickToBottom(scroller, content);
    const hasNew = useHasNew(isStuck, `${items.length} ${turn === null}`);
    const spoken = useSentences(turn);

    /* One's own message is always brought into sight. */
    const lastUserKey = items.findLast((item) => item.kind === "user" && item.id === null)?.key;
    useLayoutEffect(() => {
        if (lastUserKey) jump();
    }, [lastUserKey, jump]);

    const goOn = useCallback(() => client.goOn(conversation), [client, conversation]);
    const canGoOn = status === "ready" && !turn && waiting.length === 0 && path.at(-1) === items.at(-1);
    const actions = useMessageActions(conversation);
    useBranchOf(place, conversation, actions.select);
    const isElsewhere = turn !== null && path.at(-1) !== items.at(-1);
    const running = items.at(-1);

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
                    {path.length > 0 && <h1 className="visually-hidden">{title || "Conversation"}</h1>}
                    {status === "missing" && <Missing />}
                    {status !== "missing" && status !== "loading" && path.length === 0 && <EmptyState />}
                    <Messages
                        items={path}
                        branches={branches}
                        editing={editing}
                        canChange={!turn && waiting.length === 0}
                        actions={actions}
                        scroller={scroller}
                        isAtEnd={isStuck}
                        place={place}
                        onJump={letGo}
                        onContinue={canGoOn ? goOn : null}
                    />
                </div>
            </div>
            <div className="conversation-foot">
                {isElsewhere && running?.kind === "assistant" && running.message && (
                    <button
                        type="button"
                        className="elsewhere"
                        data-testid="elsewhere"
                        onClick={() => running.message && actions.select(running.message.id)}
                    >
                        <span className="running-dot" aria-hidden="true" />
                        Another version is being written: show it
                    </button>
                )}
                {!isStuck && path.length > 0 && (
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

/* useBranchOf: the place may be on a branch that is not shown; then that one is shown, once. */
function useBranchOf(
    place: Place,
    conversation: ConversationStore,
    onSelect: (message: string) => void,
): void {
    const { items, path } = useStore(conversation);
    const asked = useRef<Place | null>(null);
    const { message } = place;
    useEffect(() => {
        if (message === null || asked.current === place || placeOf(items, message) < 0) return;
        asked.current = place;
        if (placeOf(path, message) < 0) onSelect(message);
    }, [place, message, items, path, onSelect]);
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
    isAtEnd: boolean;
    branches: ReadonlyMap<string, Branch>;
    editing: string | null;
    canChange: boolean;
    actions: MessageActions;
    place: Place;
    onJump: () => void;
    onContinue: (() => void) | null /* of the last answer */;
}

/* A stretch of the conversation: what is in the page is laid out, painted and looked after with every token, so that it must stay small. `last` is
 * Infinity where the stretch ends with the conversation and grows with it. */
interface Stretch {
    first: number;
    last: number;
}

/* The newest messages. As the reader scrolls to an edge, more come there and as many go at the other one, without moving what is being read;
 * back at the end it is the newest ones again. */
function Messages(props: MessagesProps) {
    const { items, scroller, isAtEnd, onContinue, branches, editing, canChange, actions, place, onJump } =
        props;
    const [chosen, setChosen] = useState<Stretch | null>(null);
    const older = useRef<HTMLDivElement>(null);
    const newer = useRef<HTMLDivElement>(null);
    const anchor = useRef<{ element: Element; top: number } | null>(null);
    const { first, last } = chosen ?? { first: Math.max(0, items.length - SHOWN_FIRST), last: Infinity };
    const end = Math.min(last, items.length);
    useEffect(() => {
        const view = scroller.current;
        if (!view) return;
        const observer = new IntersectionObserver(
            (entries) => {
                const met = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
                if (met.length === 0) return;
                const isOlder = met.includes(older.current as Element);
                anchor.current = anchorOf(view);
                /* At once: whoever scrolls between the look and the change would be moved by it. */
                flushSync(() =>
                    setChosen(
                        isOlder ? upwards(first, end, items.length) : downwards(first, end, items.length),
                    ),
                );
            },
            { root: view, rootMargin: "600px 0px" },
        );
        for (const mark of [older.current, newer.current]) if (mark) observer.observe(mark);
        return () => observer.disconnect();
    }, [first, end, items.length, scroller]);
    useLayoutEffect(() => {
        const view = scroller.current;
        const kept = anchor.current;
        anchor.current = null;
        if (view && kept?.element.isConnected)
            view.scrollTop += kept.element.getBoundingClientRect().top - kept.top;
    });
    useLayoutEffect(() => {
        if (isAtEnd) setChosen(null);
    }, [isAtEnd]);
    const done = useRef<Place | null>(null);
    /* What is around the messages gets its ref after the first effects of them. */
    const [hasView, setHasView] = useState(false);
    useLayoutEffect(() => setHasView(true), []);
    const target = done.current === place || place.message === null ? -1 : placeOf(items, place.message);
    useLayoutEffect(() => {
        const view = scroller.current;
        if (target < 0 || !hasView || !view) return;
        onJump();
        if (target < first || target >= end) {
            setChosen(around(target, items.length));
            return;
        }
        done.current = place;
        show(view, place.message as string);
    }, [target, first, end, items.length, place, scroller, hasView, onJump]);
    return (
        <>
            {first > 0 && <div ref={older} className="older-mark" />}
            {items
                .slice(first, end)
                .map((item) =>
                    item.kind === "assistant" ? (
                        <AssistantMessage
                            key={item.key}
                            item={item}
                            onContinue={item === items.at(-1) ? onContinue : null}
                            branch={branches.get(item.key)}
                            canChange={canChange}
                            actions={actions}
                        />
                    ) : (
                        <UserMessage
                            key={item.key}
                            item={item}
                            branch={branches.get(item.key)}
                            isEditing={editing === item.key}
                            canChange={canChange}
                            actions={actions}
                        />
                    ),
                )}
            {end < items.length && <div ref={newer} className="newer-mark" />}
        </>
    );
}

function placeOf(items: readonly Item[], message: string): number {
    return items.findIndex((item) => (item.kind === "assistant" ? item.message?.id : item.id) === message);
}

function around(target: number, count: number): Stretch {
    const last = target + SHOWN_FIRST / 2;
    return { first: Math.max(0, target - SHOWN_FIRST / 2), last: last >= count ? Infinity : last };
}

/* show brings a message into sight, and says for a moment which it is. */
function show(view: HTMLElement, message: string): void {
    const element = view.querySelector<HTMLElement>(`.message[data-message="${message}"]`);
    if (!element) return;
    const room = view.clientHeight - element.offsetHeight;
    view.scrollTop += element.getBoundingClientRect().top - view.getBoundingClientRect().top;
    view.scrollTop -= Math.max(24, room / 3);
    element.classList.remove("message-found");
    /* So that it begins again when the same place is asked for. */
    void element.offsetWidth;
    element.classList.add("message-found");
}

function upwards(first: number, end: number, count: number): Stretch {
    const next = Math.max(0, first - SHOWN_MORE);
    const last = Math.min(end, next + SHOWN_MAX);
    return { first: next, last: last >= count ? Infinity : last };
}

function downwards(first: number, end: number, count: number): Stretch {
    const next = end + SHOWN_MORE;
    return {
        first: Math.max(first, Math.min(next, count) - SHOWN_MAX),
        last: next >= count ? Infinity : next,
    };
}

/* anchorOf is the message that the reader looks at, and where it is. */
function anchorOf(view: HTMLElement): { element: Element; top: number } | null {
    const edge = view.getBoundingClientRect().top;
    for (const element of view.querySelectorAll(".message")) {
        const box = element.getBoundingClientRect();
        if (box.bottom > edge) return { element, top: box.top };
    }
    return null;
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
