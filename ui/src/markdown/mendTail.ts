/* Closes what is still open at the end of growing Markdown, so that nothing flickers: `**bo` is shown as bold
 * and not as two stars first, a link shows its words before its address is complete, a lone `-` under a
 * paragraph does not turn it into a heading for the time of one token. Text in, text out; never throws.
 *
 * It is given the open tail alone (splitBlocks.ts), so its cost does not grow with the answer. */

const ONLY_A_MARKER = /^[ \t]*(?:[-+*=]+|\d{1,9}[.)]?|#{1,6}|>|`{1,2}|~{1,2})[ \t]*$/;
const LINE_STARTS_BLOCK = /^[ \t]*(?:[-+*][ \t]|\d{1,9}[.)][ \t]|#{1,6}[ \t]|>|\|)/;
const LINK_TEXT_MAX = 200;

export function mendTail(text: string): string {
    const lineStart = text.lastIndexOf("\n") + 1;
    const line = text.slice(lineStart);
    if (isInsideFence(text)) return text;
    if (ONLY_A_MARKER.test(line)) return text.slice(0, lineStart);
    return mendInline(mendTable(text));
}

function isInsideFence(text: string): boolean {
    let open = "";
    for (const match of text.matchAll(
        /^[ \t]*(?:[-+*][ \t]+|\d{1,9}[.)][ \t]+|>[ \t]?)*(`{3,}|~{3,})(.*)$/gm,
    )) {
        const fence = match[1] ?? "";
        const rest = match[2] ?? "";
        if (open === "") {
            if (fence.startsWith("~") || !rest.includes("`")) open = fence;
        } else if (fence.startsWith(open) && rest.trim() === "") open = "";
    }
    return open !== "";
}

/* A table is one only after its second line: that line is filled in as soon as the first begins. */
function mendTable(text: string): string {
    const start = text.search(/\S/);
    if (start < 0 || text[start] !== "|") return text;
    const lines = text.slice(start).split("\n");
    const header = lines[0] ?? "";
    const second = lines[1] ?? "";
    if (lines.length > 2 || !/^[ \t|:-]*$/.test(second)) return text;
    const cells = header.replace(/^\||\|[ \t]*$/g, "").split(/(?<!\\)\|/);
    if (cells.length === 1 && cells[0]?.trim() === "") return "";
    return `${text.slice(0, start)}|${cells.map((cell) => cell || " ").join("|")}|\n|${"---|".repeat(cells.length)}`;
}

function mendInline(text: string): string {
    const start = inlineStart(text);
    return text.slice(0, start) + closeInline(text.slice(start));
}

/* inlineStart is where the last paragraph, list item, heading or table row begins: inline marks do not
 * reach across these. */
function inlineStart(text: string): number {
    let at = text.length;
    for (;;) {
        const lineStart = text.lastIndexOf("\n", at - 1) + 1;
        const line = text.slice(lineStart, at);
        if (line.trim() === "" && at !== text.length) return at;
        if (LINE_STARTS_BLOCK.test(line)) return lineStart + (LINE_STARTS_BLOCK.exec(line)?.[0].length ?? 0);
        if (lineStart === 0) return 0;
        at = lineStart - 1;
    }
}

function closeInline(text: string): string {
    const open: string[] = [];
    let i = 0;
    while (i < text.length) {
        const char = text[i] as string;
        if (char === "\\") {
            i += 2;
        } else if (char === "`") {
            const run = runAt(text, i);
            const close = findCodeEnd(text, i + run.length, run);
            if (close < 0) {
                const rest = text.slice(i + run.length);
                return rest.trim() === "" ? seal(text.slice(0, i), open) : seal(text + run, open);
            }
            i = close + run.length;
        } else if (char === "[" || (char === "!" && text[i + 1] === "[")) {
            const link = readLink(text, i);
            if (link.state === "open") return seal(link.shown, open);
            /* The words of a link may carry marks: only its address is stepped over. */
            i = link.state === "closed" && char === "!" ? link.end : i + 1;
        } else if (char === "]" && text[i + 1] === "(") {
            const end = text.indexOf(")", i);
            i = end < 0 ? i + 1 : end + 1;
        } else if (char === "*" || char === "_" || char === "~") {
            const run = runAt(text, i);
            const atEnd = i + run.length === text.length;
            if (atEnd && !closes(open, run)) return seal(text.slice(0, i), open);
            applyRun(open, run, text[i - 1] ?? " ", text[i + run.length] ?? " ");
            i += run.length;
        } else i += 1;
    }
    return seal(text, open);
}

/* runAt is the run of one mark that stands there, findCodeEnd where a run of backticks of the same length is. */
export function runAt(text: string, at: number): string {
    let end = at;
    while (text[end] === text[at]) end += 1;
    return text.slice(at, end);
}

export function findCodeEnd(text: string, from: number, run: string): number {
    let at = text.indexOf(run, from);
    while (at >= 0) {
        const found = runAt(text, at);
        if (found.length === run.length && text[at - 1] !== "`") return at;
        at = text.indexOf(run, at + found.length);
    }
    return -1;
}

type Link = { state: "none" } | { state: "closed"; end: number } | { state: "open"; shown: string };

/* readLink looks at `[words](address)` from its bracket on. An image that is not complete is not shown at all. */
function readLink(text: string, at: number): Link {
    const image = text[at] === "!";
    const wordsStart = at + (image ? 2 : 1);
    const before = text.slice(0, at);
    const close = text.indexOf("]", wordsStart);
    if (close < 0) {
        const words = text.slice(wordsStart);
        if (words.includes("\n") || words.length > LINK_TEXT_MAX) return { state: "none" };
        return { state: "open", shown: image ? before : before + words };
    }
    const words = text.slice(wordsStart, close);
    const after = text[close + 1];
    if (after === undefined && image) return { state: "open", shown: before };
    if (after !== "(") return { state: "none" };
    const end = text.indexOf(")", close);
    if (end >= 0) return { state: "closed", end: end + 1 };
    return text.slice(close).includes("\n")
        ? { state: "none" }
        : { state: "open", shown: image ? before : before + words };
}

function closes(open: readonly string[], run: string): boolean {
    return open.length > 0 && run.startsWith(open[open.length - 1] as string);
}

/* applyRun opens and closes emphasis by the run of marks between the characters `before` and `after`. */
function applyRun(open: string[], run: string, before: string, after: string): void {
    const canOpen = !/\s/.test(after) && !(run[0] === "_" && /\w/.test(before));
    const canClose = !/\s/.test(before) && !(run[0] === "_" && /\w/.test(after));
    let rest = run;
    while (canClose && rest !== "" && closes(open, rest)) rest = rest.slice((open.pop() as string).length);
    if (!canOpen || rest === "") return;
    if (rest[0] === "~") {
        if (rest.length <= 2) open.push(rest);
        return;
    }
    /* Three marks are strong within emphasis; more are no emphasis that anybody means. */
    if (rest.length === 3) open.push(rest.slice(0, 1), rest.slice(0, 2));
    else if (rest.length < 3) open.push(rest);
}

/* seal closes what is open, innermost first, before the white space at the end: a mark after a space closes
 * nothing. */
function seal(text: string, open: readonly string[]): string {
    if (open.length === 0) return text;
    const words = text.trimEnd();
    return words + [...open].reverse().join("") + text.slice(words.length);
}
