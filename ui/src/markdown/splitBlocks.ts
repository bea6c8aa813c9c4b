/* Cuts Markdown that still grows into top-level blocks, reading each line once.
 *
 * A settled block never changes again, so that its rendering can be frozen; the tail is what may still change.
 * Invariants:
 *   B1  the settled blocks and the tail, put together, are the text, byte for byte
 *   B2  how the text was cut into appends changes nothing of the result
 *   B3  a cut is made only where CommonMark surely begins a new top-level block. Not to cut is always right
 *       and only costs time; a wrong cut shows wrong.
 *   B4  a list that has grown long is cut between two of its items, where the second part, read alone, is shown as it was in the first:
 *       what is not settled stays short, whatever the model writes
 */

const LIST_MAX = 2500;

type Kind = "none" | "paragraph" | "list" | "indented" | "fence" | "html";

const FENCE_OPEN = /^ {0,3}(?:(`{3,})[^`]*|(~{3,}).*)$/;
const HEADING_COMPLETE = /^ {0,3}#{1,6}(?:[ \t].*)?$/;
const HEADING_START = /^ {0,3}#{1,6}[ \t]/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const LIST_ITEM = /^ {0,3}(?:([-+*])|\d{1,9}([.)]))(?:[ \t]|$)/;
const FOOTNOTE = /^ {0,3}\[\^[^\]]+\]:/;
/* HTML that may hold blank lines, and what ends it (CommonMark 4.6, conditions 1 to 5). */
const HTML_LONG: readonly (readonly [RegExp, RegExp])[] = [
    [/^ {0,3}<(?:script|pre|style|textarea)(?:[\s>]|$)/i, /<\/(?:script|pre|style|textarea)>/i],
    [/^ {0,3}<!--/, /-->/],
    [/^ {0,3}<\?/, /\?>/],
    [/^ {0,3}<![A-Za-z]/, />/],
    [/^ {0,3}<!\[CDATA\[/, /\]\]>/],
];

export class BlockSplitter {
    /* A new array whenever a block is settled, so that it can be compared by identity. */
    settled: readonly string[] = [];
    tail = "";
    private kind: Kind = "none";
    private scanned = 0; /* the part of the tail whose lines were read */
    private blankBefore = false;
    private fence = "";
    private marker = "";
    private htmlEnd: RegExp | null = null;

    append(text: string): void {
        this.tail += text;
        for (;;) {
            const end = this.tail.indexOf("\n", this.scanned);
            if (end < 0) break;
            this.readLine(this.tail.slice(this.scanned, end), end + 1);
        }
        this.readPartial(this.tail.slice(this.scanned));
    }

    private readLine(raw: string, next: number): void {
        const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
        const blank = line.trim() === "";
        if (this.kind === "fence") {
            this.scanned = next;
            if (this.closesFence(line)) this.cut(next);
            return;
        }
        if (this.kind === "html") {
            this.scanned = next;
            if (this.htmlEnd?.test(line)) this.cut(next);
            return;
        }
        if (blank) {
            this.scanned = next;
            /* Lists and indented code may go on after a blank line; nothing else does. */
            if (this.kind === "paragraph") this.cut(next);
            else this.blankBefore = this.kind !== "none";
            return;
        }
        const length = next - this.scanned;
        if (this.beginsBlock(line)) this.cut(this.scanned);
        this.scanned += length;
        this.blankBefore = false;
        if (this.kind === "none") this.open(line);
    }

    /* A line that is not complete may already be known to begin a block: cutting before it now, not at its end,
     * saves what is painted of it from moving to another place in the page's tree. */
    private readPartial(line: string): void {
        if (this.kind === "none" || this.kind === "fence" || this.kind === "html") return;
        const certain = this.blankBefore ? /^[^\s\d*+\-_]/.test(line) : HEADING_START.test(line);
        if (certain && this.beginsBlock(line)) this.cut(this.scanned);
    }

    private beginsBlock(line: string): boolean {
        switch (this.kind) {
            case "paragraph":
                return FENCE_OPEN.test(line) || HEADING_COMPLETE.test(line);
            case "list": {
                if (/^(?: {2,}|\t| \t)/.test(line)) return false;
                if (FENCE_OPEN.test(line) || HEADING_COMPLETE.test(line)) return true;
                if (this.scanned > LIST_MAX && this.goesOnAlone(line)) return true;
                return this.blankBefore && (RULE.test(line) || listMarker(line) !== this.marker);
            }
            case "indented":
                return !/^(?: {4}| {0,3}\t)/.test(line);
            default:
                return false;
        }
    }

    /* A number goes on from where the first part ended; the other items have nothing that could. */
    private goesOnAlone(line: string): boolean {
        if (listMarker(line) !== this.marker || this.marker === "[^") return false;
        const number = /^ {0,3}(\d{1,9})[.)]/.exec(line)?.[1];
        if (number === undefined) return true;
        const earlier = [...this.tail.slice(0, this.scanned).matchAll(/^ {0,3}(\d{1,9})[.)][ \t]/gm)];
        return Number(earlier.at(-1)?.[1]) + 1 === Number(number);
    }

    private open(line: string): void {
        const fence = FENCE_OPEN.exec(line);
        if (fence) {
            this.kind = "fence";
            this.fence = fence[1] ?? fence[2] ?? "";
            return;
        }
        for (const [start, end] of HTML_LONG) {
            if (!start.test(line)) continue;
            this.kind = "html";
            this.htmlEnd = end;
            if (end.test(line.replace(start, ""))) this.cut(this.scanned);
            return;
        }
        if (HEADING_COMPLETE.test(line) || RULE.test(line)) {
            this.kind = "paragraph";
            this.cut(this.scanned);
            return;
        }
        this.marker = FOOTNOTE.test(line) ? "[^" : listMarker(line);
        if (this.marker) this.kind = "list";
        else this.kind = /^(?: {4}| {0,3}\t)/.test(line) ? "indented" : "paragraph";
    }

    private closesFence(line: string): boolean {
        const close = /^ {0,3}(`{3,}|~{3,})[ \t]*$/.exec(line)?.[1];
        return close !== undefined && close[0] === this.fence[0] && close.length >= this.fence.length;
    }

    /* cut settles the tail up to `at`; blank lines before a first block stay with that block. */
    private cut(at: number): void {
        this.settled = [...this.settled, this.tail.slice(0, at)];
        this.tail = this.tail.slice(at);
        this.scanned -= at;
        this.kind = "none";
        this.blankBefore = false;
    }
}

/* listMarker is what tells two neighbouring lists apart: the bullet, or the sign after the number. */
function listMarker(line: string): string {
    const item = LIST_ITEM.exec(line);
    return item ? (item[1] ?? item[2] ?? "") : "";
}

export interface Blocks {
    settled: readonly string[];
    tail: string;
}

/* Reference definitions and footnotes bind across blocks: a text that has them is one block when it is whole. */
const BINDS_ACROSS = /^ {0,3}\[[^\]\n]+\]:/m;

/* splitWhole cuts a text that grows no more. */
export function splitWhole(text: string): Blocks {
    if (BINDS_ACROSS.test(text)) return { settled: [], tail: text };
    const splitter = new BlockSplitter();
    splitter.append(text);
    return { settled: splitter.settled, tail: splitter.tail };
}
