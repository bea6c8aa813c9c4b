import { useEffect, useRef, useState } from "react";

/* usePolled asks again and again while it is mounted and the page is seen; the next question waits for the answer to the one before. */
export function usePolled(ask: () => Promise<void>, everyMs: number): string | null {
    const [error, setError] = useState<string | null>(null);
    const newest = useRef(ask);
    newest.current = ask;
    useEffect(() => {
        let timer: ReturnType<typeof setTimeout> | null = null;
        let isOver = false;
        const run = async () => {
            try {
                if (!document.hidden) await newest.current();
                setError(null);
            } catch (reason) {
                setError(reason instanceof Error ? reason.message : String(reason));
            }
            if (!isOver) timer = setTimeout(run, everyMs);
        };
        void run();
        return () => {
            isOver = true;
            if (timer !== null) clearTimeout(timer);
        };
    }, [everyMs]);
    return error;
}
