/* A block that is one fenced code block, read without the Markdown parser: code is most of what is long in an
 * answer, and needs no parse per frame. */

export interface FencedCode {
    language: string;
    code: string;
    isClosed: boolean;
}

/* readFencedCode is null when the block is anything else. The fence may still be open. */
export function readFencedCode(block: string): FencedCode | null {
    const text = block.replace(/^(?:[ \t]*\r?\n)+/, "");
    const open = /^( {0,3})(?:(`{3,})([^`\n]*)|(~{3,})([^\n]*))(?:\n|$)/.exec(text);
    if (!open) return null;
    const fence = open[2] ?? open[4] ?? "";
    const info = (open[3] ?? open[5] ?? "").trim();
    const lines = text.slice(open[0].length).split("\n");
    const last = lines.findIndex((line) => isClose(line, fence));
    const body = last < 0 ? lines : lines.slice(0, last);
    if (last >= 0 && lines.slice(last + 1).some((line) => line.trim() !== "")) return null;
    /* The closing fence may be half there: it is no code yet, nor ever. */
    if (last < 0 && isPartOfClose(body.at(-1) ?? "", fence)) body.pop();
    if (last < 0 && body.at(-1) === "") body.pop();
    const indent = open[1]?.length ?? 0;
    const code = indent === 0 ? body : body.map((line) => line.replace(new RegExp(`^ {0,${indent}}`), ""));
    return { language: info.split(/[\s{]/)[0] ?? "", code: code.join("\n"), isClosed: last >= 0 };
}

function isClose(line: string, fence: string): boolean {
    const close = /^ {0,3}(`{3,}|~{3,})[ \t\r]*$/.exec(line)?.[1];
    return close?.startsWith(fence) ?? false;
}

function isPartOfClose(line: string, fence: string): boolean {
    const marks = line.trim();
    return marks !== "" && fence.startsWith(marks);
}
