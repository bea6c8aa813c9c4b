import { useCallback, useEffect, useRef, useState } from "react";
import type { SearchHit } from "../../protocol/rest";
import { useClient } from "../useClient";

const TYPING_MS = 140;

interface Found {
    hits: readonly SearchHit[];
    next: string | null;
    isDone: boolean /* the answer for these words is here */;
    error: string;
}

const NOTHING: Found = { hits: [], next: null, isDone: false, error: "" };

/* useSearch asks the server once the typing pauses. What was found before stays until the answer is here. */
export function useSearch(text: string) {
    const { rest } = useClient();
    const [found, setFound] = useState<Found>(NOTHING);
    const words = text.trim();
    const latest = useRef({ words, abort: new AbortController(), isAsking: false });
    useEffect(() => {
        const abort = new AbortController();
        latest.current = { words, abort, isAsking: false };
        if (words === "") {
            setFound(NOTHING);
            return;
        }
        setFound((before) => ({ ...before, isDone: false, next: null }));
        const timer = setTimeout(async () => {
            try {
                const page = await rest.search(words, null, abort.signal);
                setFound({ ...page, isDone: true, error: "" });
            } catch (error) {
                if (!abort.signal.aborted) setFound({ ...NOTHING, isDone: true, error: textOf(error) });
            }
        }, TYPING_MS);
        return () => {
            clearTimeout(timer);
            abort.abort();
        };
    }, [words, rest]);
    const { next } = found;
    const more = useCallback(async () => {
        const now = latest.current;
        if (next === null || now.isAsking) return;
        now.isAsking = true;
        try {
            const page = await rest.search(now.words, next, now.abort.signal);
            setFound((before) => ({ ...before, hits: [...before.hits, ...page.hits], next: page.next }));
        } catch (error) {
            if (!now.abort.signal.aborted)
                setFound((before) => ({ ...before, next: null, error: textOf(error) }));
        } finally {
            now.isAsking = false;
        }
    }, [next, rest]);
    return { hits: found.hits, isDone: found.isDone, error: found.error, hasMore: next !== null, more };
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
