import { useEffect, useState } from "react";
import type { TurnStore } from "../../chat/turnStore";

/* For the live region: the sentences of a growing answer, each when it is whole. A screen reader is not told
 * every token, and is told nothing twice. */
export function useSentences(turn: TurnStore | null): string {
    const [spoken, setSpoken] = useState("");
    useEffect(() => {
        if (!turn) return;
        let at = turn.text.length;
        const listen = () => {
            const { ending } = turn;
            const end = ending ? turn.text.length : lastSentenceEnd(turn.text, at);
            if (end > at) {
                setSpoken(plainText(turn.text.slice(at, end)));
                at = end;
            }
        };
        return turn.subscribe(listen);
    }, [turn]);
    return spoken;
}

/* lastSentenceEnd is the place after the last whole sentence that begins at or after `from`; `from` if none. */
export function lastSentenceEnd(text: string, from: number): number {
    let end = from;
    for (const match of text.slice(from).matchAll(/[.!?…][)"'”’\]*_`]*\s|[。！？]|\n/g))
        end = from + match.index + match[0].length;
    return end;
}

export function plainText(markdown: string): string {
    return markdown
        .replace(/^[ \t]*(?:```|~~~).*$/gm, "")
        .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
        .replace(/^[ \t]*(?:#{1,6}|>|[-+*])[ \t]+/gm, "")
        .replace(/[*_`~]{1,3}/g, "")
        .replace(/\s+/g, " ")
        .trim();
}
