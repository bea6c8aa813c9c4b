import { useCallback, useEffect, useState } from "react";
import type { ConversationSummary, View } from "../../protocol/rest";
import { useClient, useStore } from "../useClient";

/* useView reads the archive or the trash, and again when the list of the others changes: what leaves one comes into the other. */
export function useView(view: View): {
    items: readonly ConversationSummary[];
    error: string | null;
    refresh: () => void;
} {
    const client = useClient();
    const list = useStore(client.list);
    const [items, setItems] = useState<readonly ConversationSummary[]>([]);
    const [error, setError] = useState<string | null>(null);
    const [asked, setAsked] = useState(0);
    // biome-ignore lint/correctness/useExhaustiveDependencies: `list` and `asked` say when to read again
    useEffect(() => {
        if (view === "usual") return;
        const abort = new AbortController();
        client.rest.conversations({ view }, abort.signal).then(
            (found) => {
                setItems(found);
                setError(null);
            },
            (failure: Error) => !abort.signal.aborted && setError(failure.message),
        );
        return () => abort.abort();
    }, [client, view, list.items, asked]);
    useEffect(() => {
        if (view !== "usual") setItems([]);
    }, [view]);
    const refresh = useCallback(() => setAsked((now) => now + 1), []);
    return { items, error, refresh };
}
