import { useCallback, useEffect, useRef, useState } from "react";
import { LOG_LEVELS, type LogLine, serverCalls } from "../../protocol/server";
import { CopyButton } from "../../ui/CopyButton";
import { useClient } from "../useClient";
import { usePolled } from "./usePolled";

const EVERY_MS = 1500;
const LINES_MAX = 2000;
const NEAR_END = 24;

/* shownLines: at least as bad as `level`, with all of the words. */
export function shownLines(lines: readonly LogLine[], level: string, words: string): readonly LogLine[] {
    const worst = LOG_LEVELS.indexOf(level);
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    return lines.filter(
        (line) =>
            LOG_LEVELS.indexOf(line.level) <= worst &&
            wanted.every((word) => line.text.toLowerCase().includes(word)),
    );
}

export function LogTab() {
    const { rest } = useClient();
    const next = useRef(0);
    const [lines, setLines] = useState<readonly LogLine[]>([]);
    const [level, setLevel] = useState("trace");
    const [words, setWords] = useState("");
    const ask = useCallback(async () => {
        const more = await serverCalls.log(rest, next.current);
        /* A server that was started again counts anew. */
        const isNew = more.next < next.current;
        next.current = isNew ? 0 : more.next;
        if (isNew) setLines([]);
        else if (more.lines.length > 0) setLines((kept) => [...kept, ...more.lines].slice(-LINES_MAX));
    }, [rest]);
    const error = usePolled(ask, EVERY_MS);
    const shown = shownLines(lines, level, words);
    const box = useStickingBox(shown);
    return (
        <>
            <div className="log-head">
                <input
                    type="search"
                    className="field-control"
                    placeholder="Filter"
                    aria-label="Lines with these words"
                    autoComplete="off"
                    value={words}
                    onChange={(event) => setWords(event.target.value)}
                />
                <select
                    className="field-control"
                    aria-label="Lines at least as bad as"
                    value={level}
                    onChange={(event) => setLevel(event.target.value)}
                >
                    <option value="trace">all</option>
                    <option value="info">info</option>
                    <option value="warn">warnings</option>
                    <option value="error">errors</option>
                </select>
                <CopyButton
                    label="Copy these lines"
                    text={() => shown.map((line) => `${line.time} ${line.level} ${line.text}`).join("\n")}
                />
            </div>
            {error && <p className="server-note server-error">{error}</p>}
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
            <div className="log-lines" ref={box} role="region" aria-label="Log of the server" tabIndex={0}>
                {shown.map((line) => (
                    <p key={line.n} data-level={line.level} data-testid="log-line">
                        <time>{line.time.slice(11, 23)}</time> <b>{line.level}</b> {line.text}
                    </p>
                ))}
                {shown.length === 0 && !error && <p>Nothing here.</p>}
            </div>
        </>
    );
}

/* Follows what comes, until the reader scrolls up. */
function useStickingBox(content: unknown) {
    const box = useRef<HTMLDivElement>(null);
    const isAtEnd = useRef(true);
    useEffect(() => {
        const element = box.current;
        if (!element) return;
        const look = () => {
            isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
        };
        element.addEventListener("scroll", look, { passive: true });
        return () => element.removeEventListener("scroll", look);
    }, []);
    // biome-ignore lint/correctness/useExhaustiveDependencies: what is shown is why it scrolls
    useEffect(() => {
        if (isAtEnd.current) box.current?.scrollTo({ top: box.current.scrollHeight });
    }, [content]);
    return box;
}
