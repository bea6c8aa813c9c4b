/* The drawing of a diagram's source. What draws comes with the first diagram that is whole. */
import { type RefObject, useEffect, useState, useSyncExternalStore } from "react";
import { isDark, themeStore } from "../ui/theme";
import type { Drawn } from "./drawDiagram";
import { keepPlace, whenNotSelected } from "./inPlace";

const KEPT_MAX = 60;

/* What is looked at again is there at once. */
const kept = new Map<string, Drawn>();

interface Outcome {
    drawn: Drawn | null;
    why: string | null /* it is not drawn, in a sentence */;
}

const NOTHING: Outcome = { drawn: null, why: null };

export function useDiagram(source: string | null, box: RefObject<Element | null>): Outcome {
    const isInDark = useSyncExternalStore(themeStore.subscribe, isDark);
    const key = source === null ? null : `${isInDark} ${source}`;
    const [outcome, setOutcome] = useState<Outcome>(NOTHING);
    const known = key === null ? undefined : kept.get(key);
    const isKnown = known !== undefined;
    useEffect(() => {
        if (source === null || key === null || isKnown) return;
        let stop = () => {};
        let isWanted = true;
        void draw(source, key).then((next) => {
            if (!isWanted) return;
            stop = whenNotSelected(box.current, () => keepPlace(box.current, () => setOutcome(next)));
        });
        return () => {
            isWanted = false;
            stop();
        };
    }, [source, key, isKnown, box]);
    if (source === null) return NOTHING;
    /* In another theme the old drawing stays until the new one is there. */
    return known ? { drawn: known, why: null } : outcome;
}

async function draw(source: string, key: string): Promise<Outcome> {
    try {
        const { drawDiagram } = await import("./drawDiagram");
        const drawn = await drawDiagram(source);
        kept.set(key, drawn);
        const oldest = kept.keys().next().value;
        if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
        return { drawn, why: null };
    } catch (error) {
        return { drawn: null, why: `This diagram cannot be drawn${reasonOf(error, source)}.` };
    }
}

/* What the library says names grammar symbols over many lines: the line of the source is what helps, which may be the one after it. */
function reasonOf(error: unknown, source: string): string {
    const text = error instanceof Error ? error.message : String(error);
    const line = /\bline:? (\d+)/.exec(text)?.[1];
    if (line) return `: it is not understood near line ${Math.min(Number(line), source.split("\n").length)}`;
    if (/^No diagram type/.test(text)) return ": its kind is not known";
    return "";
}
