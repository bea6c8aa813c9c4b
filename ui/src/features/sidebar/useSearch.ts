import { useEffect, useState } from "react";
import type { ConversationSummary } from "../../protocol/rest";
import { useClient } from "../useClient";

const TYPING_MS = 180;

export interface SearchResult {
    for: string;
    items: readonly ConversationSummary[];
    error: string | null;
}

/* useSearch asks the server once the typing pauses; null while there is nothing to search. */
export function useSearch(text: string): SearchResult | null {
    const { rest } = useClient();
    const [result, setResult] = useState<SearchResult | null>(null);
    const words = text.trim();
    useEffect(() => {
        if (words === "") {
            setResult(null);
            return;
        }
        const abort = new AbortController();
        const timer = setTimeout(async () => {
            try {
                const items = await rest.conversations({ q: words }, abort.signal);
                setResult({ for: words, items, error: null });
            } catch (error) {
                if (!abort.signal.aborted)
                    setResult({ for: words, items: [], error: error instanceof Error ? error.message : "" });
            }
        }, TYPING_MS);
        return () => {
            clearTimeout(timer);
            abort.abort();
        };
    }, [words, rest]);
    return words === "" ? null : result;
}
