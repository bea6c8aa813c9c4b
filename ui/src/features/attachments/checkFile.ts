/* What can be sent along, looked at before it is sent: the server would refuse the rest [W64]. Pure. */

import { formatBytes } from "../../ui/format";

export const FILES_MAX = 20;
export const FILE_BYTES_MAX = 32 * 1024 * 1024;
export const TEXT_BYTES_MAX = 256 * 1024;
const NAME_BYTES_MAX = 200;
/* How much of a file shows whether it is text. */
export const HEAD_BYTES = 8192;

export type FileKind = { kind: "text" | "pdf" } | { kind: "refused"; why: string };

/* kindOf takes the first HEAD_BYTES of the file. */
export function kindOf(file: { size: number; type: string }, head: Uint8Array): FileKind {
    const refused = (why: string): FileKind => ({ kind: "refused", why });
    if (file.size === 0) return refused("This file is empty.");
    if (file.type.startsWith("image/")) return refused("No model here can see pictures.");
    if (/^(audio|video)\//.test(file.type)) return refused("No model here can hear or watch.");
    if (file.size > FILE_BYTES_MAX)
        return refused(`Larger than ${formatBytes(FILE_BYTES_MAX)}: send a part of it.`);
    if (startsWith(head, "%PDF-")) return { kind: "pdf" };
    if (head.includes(0) || !isText(head)) return refused("No text in UTF-8 and no PDF: it cannot be read.");
    if (file.size > TEXT_BYTES_MAX)
        return refused(`More than ${formatBytes(TEXT_BYTES_MAX)} of text: send a part of it.`);
    return { kind: "text" };
}

const startsWith = (head: Uint8Array, text: string) =>
    [...text].every((letter, place) => head[place] === letter.charCodeAt(0));

/* The last character may be cut. */
function isText(head: Uint8Array): boolean {
    try {
        new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
        return true;
    } catch {
        return false;
    }
}

/* shortName cuts a name to what the server takes, and keeps its ending. */
export function shortName(name: string): string {
    const bytes = (text: string) => new TextEncoder().encode(text).length;
    const clean = [...name].filter((letter) => letter >= " " && letter !== "\x7f").join("") || "file";
    if (bytes(clean) <= NAME_BYTES_MAX) return clean;
    const dot = clean.lastIndexOf(".");
    const ending = dot > 0 && clean.length - dot <= 10 ? clean.slice(dot) : "";
    let letters = [...clean.slice(0, clean.length - ending.length)];
    while (bytes(letters.join("") + ending) > NAME_BYTES_MAX) letters = letters.slice(0, -1);
    return letters.join("") + ending;
}
