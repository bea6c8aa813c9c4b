import { Dialog } from "@base-ui/react/dialog";
import { MessageSquare, MessagesSquare, Search, Sparkles, X } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { parseTime } from "../../chat/times";
import type { SearchHit } from "../../protocol/rest";
import type { PopupProps } from "../../ui/lazily";
import { useServices } from "../useClient";
import { Marked } from "./Marked";
import { useSearch } from "./useSearch";
import "./search.css";

/* Words in all conversations: the list is gone through with the arrows, Enter goes to the place. */
export default function SearchDialog({ isOpen, onClose }: PopupProps) {
    const input = useRef<HTMLInputElement>(null);
    return (
        <Dialog.Root open={isOpen} onOpenChange={(next) => !next && onClose()}>
            <Dialog.Portal>
                <Dialog.Backdrop className="backdrop" />
                <Dialog.Popup
                    className="dialog search-dialog"
                    data-testid="search"
                    aria-label="Search in all conversations"
                    initialFocus={input}
                >
                    <SearchBody input={input} onClose={onClose} />
                </Dialog.Popup>
            </Dialog.Portal>
        </Dialog.Root>
    );
}

function SearchBody({
    input,
    onClose,
}: {
    input: React.RefObject<HTMLInputElement | null>;
    onClose: () => void;
}) {
    const { navigate } = useServices();
    const [text, setText] = useState("");
    const [at, setAt] = useState(0);
    const { hits, isDone, error, hasMore, more } = useSearch(text);
    const list = useRef<HTMLDivElement>(null);
    const id = useId();
    const chosen = Math.min(at, hits.length - 1);
    // biome-ignore lint/correctness/useExhaustiveDependencies: other words are another list
    useEffect(() => setAt(0), [text]);
    useEffect(() => {
        list.current?.querySelector(`[data-place="${chosen}"]`)?.scrollIntoView({ block: "nearest" });
        if (hasMore && chosen >= hits.length - 3) more();
    }, [chosen, hits.length, hasMore, more]);

    const go = (hit: SearchHit | undefined) => {
        if (!hit) return;
        onClose();
        navigate(`/c/${hit.conversation}${hit.message === null ? "" : `#${hit.message}`}`);
    };
    const onKeyDown = (event: KeyboardEvent) => {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (step !== undefined && hits.length > 0) {
            event.preventDefault();
            setAt((chosen + step + hits.length) % hits.length);
        } else if (event.key === "Enter" && !event.nativeEvent.isComposing) {
            event.preventDefault();
            go(hits[chosen]);
        }
    };
    const words = noteOf(text, hits.length, isDone, error);
    return (
        <>
            <div className="search-line">
                <Search size={18} aria-hidden="true" />
                <input
                    ref={input}
                    type="text"
                    role="combobox"
                    data-search
                    autoComplete="off"
                    spellCheck={false}
                    enterKeyHint="go"
                    placeholder="Search in all conversations"
                    aria-label="Search in all conversations"
                    aria-expanded={hits.length > 0}
                    aria-controls={`${id}-list`}
                    aria-activedescendant={hits.length > 0 ? `${id}-${chosen}` : undefined}
                    value={text}
                    onChange={(event) => setText(event.target.value)}
                    onKeyDown={onKeyDown}
                />
                <Dialog.Close className="search-close" aria-label="Esc: close the search">
                    <kbd>Esc</kbd>
                    <X size={18} aria-hidden="true" />
                </Dialog.Close>
            </div>
            <div
                className="search-hits"
                id={`${id}-list`}
                role="listbox"
                aria-label="Found"
                tabIndex={-1}
                ref={list}
                onScroll={(event) => {
                    const box = event.currentTarget;
                    if (hasMore && box.scrollHeight - box.scrollTop - box.clientHeight < 200) more();
                }}
            >
                {hits.map((hit, place) => (
                    <Hit
                        key={`${hit.conversation} ${hit.message}`}
                        id={`${id}-${place}`}
                        hit={hit}
                        place={place}
                        isChosen={place === chosen}
                        onChoose={() => setAt(place)}
                        onGo={() => go(hit)}
                    />
                ))}
            </div>
            <p className="search-note" role="status">
                {words}
            </p>
        </>
    );
}

interface HitProps {
    id: string;
    hit: SearchHit;
    place: number;
    isChosen: boolean;
    onChoose: () => void;
    onGo: () => void;
}

function Hit({ id, hit, place, isChosen, onChoose, onGo }: HitProps) {
    const isTitle = hit.message === null;
    return (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the input, which keeps the focus
        <div
            id={id}
            className="search-hit"
            role="option"
            tabIndex={-1}
            aria-selected={isChosen}
            data-testid="search-hit"
            data-place={place}
            data-message={hit.message ?? undefined}
            onMouseMove={onChoose}
            onClick={onGo}
        >
            <HitIcon hit={hit} />
            <span className="search-hit-words">
                <span className="search-hit-title" dir="auto">
                    {isTitle ? (
                        <Marked text={hit.snippet} marks={hit.marks} />
                    ) : (
                        hit.title || "New conversation"
                    )}
                </span>
                {!isTitle && (
                    <span className="search-hit-snippet" dir="auto">
                        <Marked text={hit.snippet} marks={hit.marks} />
                    </span>
                )}
            </span>
            <time className="search-hit-time" dateTime={hit.timestamp}>
                {dayOf(hit.timestamp)}
            </time>
        </div>
    );
}

function HitIcon({ hit }: { hit: SearchHit }) {
    if (hit.message === null) return <MessagesSquare size={16} aria-label="Conversation" />;
    if (hit.role === "assistant") return <Sparkles size={16} aria-label="Answer" />;
    return <MessageSquare size={16} aria-label="Your message" />;
}

function dayOf(timestamp: string): string {
    const time = parseTime(timestamp);
    if (!time) return "";
    const now = new Date();
    if (time.toDateString() === now.toDateString())
        return time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const isThisYear = time.getFullYear() === now.getFullYear();
    return time.toLocaleDateString(undefined, {
        day: "numeric",
        month: "short",
        ...(!isThisYear && { year: "numeric" }),
    });
}

function noteOf(text: string, count: number, isDone: boolean, error: string): string {
    if (error) return error;
    if (text.trim() === "") return "Words are found in titles and messages. “Quotation marks” make a phrase.";
    if (isDone && count === 0) return "Nothing found.";
    return "";
}
