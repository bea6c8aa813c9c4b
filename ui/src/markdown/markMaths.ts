/* Formulas in Markdown: `$…$`, `$$…$$`, `\(…\)` and `\[…\]` become code spans that begin with a mark, so that no star or underscore in
 * them is taken for emphasis; Block.tsx draws such a span as a formula. Text in, text out; never throws.
 *
 * A single dollar opens a formula by pandoc's rule, so that prices stay prices: no space behind the first dollar, none before the second,
 * no digit or letter behind that. */

import { findCodeEnd, runAt } from "./mendTail";

export const INLINE = "\uE000";
export const DISPLAY = "\uE001";

const INLINE_MAX = 400;
const DISPLAY_MAX = 8000;
const FENCE = /^[ \t]*(?:[-+*][ \t]+|\d{1,9}[.)][ \t]+|>[ \t]?)*(`{3,}|~{3,})/;

/* markMaths: `open` = more may come. What has begun and is surely a formula is then held back until its end is there. */
export function markMaths(text: string, open: boolean): string {
    if (!/[$\\]/.test(text)) return text;
    let out = "";
    let at = 0;
    while (at < text.length) {
        const next = nextMark(text, at);
        out += text.slice(at, next);
        if (next >= text.length) break;
        const step = readMark(text, next, open);
        if (step === null) return out;
        out += step.shown;
        at = step.end;
    }
    return out;
}

interface Step {
    shown: string;
    end: number;
}

function nextMark(text: string, from: number): number {
    for (let at = from; at < text.length; at++) {
        const char = text[at];
        if (char === "$" || char === "\\" || char === "`") return at;
        if (char === "~" && isLineStart(text, at) && text.startsWith("~~~", at)) return at;
    }
    return text.length;
}

/* readMark is null when everything from `at` on is held back. */
function readMark(text: string, at: number, open: boolean): Step | null {
    const char = text[at];
    if (char === "`" || char === "~") return readCode(text, at);
    const rest = text.slice(at, at + 2);
    if (rest === "\\(") return readFormula(text, at, "\\(", "\\)", INLINE, open);
    if (rest === "\\[") return readFormula(text, at, "\\[", "\\]", DISPLAY, open);
    if (rest === "$$") return readFormula(text, at, "$$", "$$", DISPLAY, open);
    if (open && at + 1 === text.length) return null;
    if (char === "\\") return { shown: rest, end: at + 2 };
    return readDollar(text, at, open);
}

/* Code is stepped over: a fence to its end, a span to its own run of marks. */
function readCode(text: string, at: number): Step {
    const run = runAt(text, at);
    const end = at + run.length;
    if (run.length >= 3 && isLineStart(text, at)) {
        const lines = text.slice(end).split("\n");
        let length = (lines[0] ?? "").length + 1;
        for (const line of lines.slice(1)) {
            length += line.length + 1;
            if (line.trim().startsWith(run)) break;
        }
        const stop = Math.min(text.length, end + length);
        return { shown: text.slice(at, stop), end: stop };
    }
    const close = findCodeEnd(text, end, run);
    const stop = close < 0 ? end : close + run.length;
    return { shown: text.slice(at, stop), end: stop };
}

function readFormula(
    text: string,
    at: number,
    begin: string,
    finish: string,
    mark: string,
    open: boolean,
): Step | null {
    const start = at + begin.length;
    const end = text.indexOf(finish, start);
    const tex = text.slice(start, end < 0 ? undefined : end);
    const isPossible = !/\n[ \t]*\n/.test(tex) && tex.length <= (mark === INLINE ? INLINE_MAX : DISPLAY_MAX);
    if (end < 0 && open && isPossible) return null;
    if (end < 0 || !isPossible || tex.trim() === "") return { shown: begin, end: start };
    return { shown: spanOf(text, at, mark, tex), end: end + finish.length };
}

function readDollar(text: string, at: number, open: boolean): Step | null {
    const plain = { shown: "$", end: at + 1 };
    if (/[\s$]/.test(text[at + 1] ?? " ")) return plain;
    for (let end = at + 2; end < Math.min(text.length, at + INLINE_MAX); end++) {
        if (text[end] === "\n" && text[end + 1] === "\n") return plain;
        if (text[end] !== "$" || text[end - 1] === "\\") continue;
        if (/\s/.test(text[end - 1] as string) || /[\p{L}\p{N}$]/u.test(text[end + 1] ?? " ")) return plain;
        return { shown: spanOf(text, at, INLINE, text.slice(at + 1, end)), end: end + 1 };
    }
    return open && looksLikeTex(text.slice(at + 1)) ? null : plain;
}

/* A price or a shell's variable must not be held back for long; a formula says early that it is one. */
function looksLikeTex(begun: string): boolean {
    if (begun.includes("\n") || begun.length > INLINE_MAX) return false;
    return /^[^\s\d][^$]*[\\^_={}+<>]/.test(begun) || /^[\\a-zA-Z({|-][^\s$]{0,8}$/.test(begun);
}

function spanOf(text: string, at: number, mark: string, tex: string): string {
    const line = text.slice(text.lastIndexOf("\n", at) + 1, at);
    const flat = tex
        .replace(/(?<!\\)%[^\n]*/g, "")
        .replace(/\s*\n[ \t>]*/g, " ")
        .trim();
    const safe = /^[ \t]*\|/.test(line) ? flat.replace(/(?<!\\)\|/g, "\\|") : flat;
    const fence = "`".repeat(1 + Math.max(0, ...[...safe.matchAll(/`+/g)].map((run) => run[0].length)));
    return `${fence}${mark}${safe}${safe.endsWith("`") ? " " : ""}${fence}`;
}

function isLineStart(text: string, at: number): boolean {
    return FENCE.test(text.slice(text.lastIndexOf("\n", at) + 1, at + 3));
}
