/* Drafts and unacknowledged messages, kept in the browser. Storage may be full or forbidden: then they are kept
 * for as long as the page lives, and nothing fails. */

import type { Attachment } from "../protocol/frames";

const DRAFT = "runnel.draft.";
const FILES = "runnel.files.";
const OUTBOX = "runnel.outbox";

export interface Outgoing {
    clientMsgId: string;
    conversation: string | null;
    text: string;
    attachments?: readonly Attachment[];
    continues?: string /* no message: the generation that shall go on */;
    edits?: string /* the message that it takes the place of */;
    again?: string /* no message: the one that is answered, or whose answer is made, once more */;
}

export function quietly<T>(otherwise: T, action: () => T): T {
    try {
        return action();
    } catch {
        return otherwise;
    }
}

const draftName = (conversation: string | null) => DRAFT + (conversation ?? "new");

export function readDraft(conversation: string | null): string {
    return quietly("", () => localStorage.getItem(draftName(conversation)) ?? "");
}

export function writeDraft(conversation: string | null, text: string): void {
    quietly(undefined, () => {
        if (text === "") localStorage.removeItem(draftName(conversation));
        else localStorage.setItem(draftName(conversation), text);
    });
}

/* The files of a draft: those that the server has. */
export function readDraftFiles(conversation: string | null): Attachment[] {
    return quietly([], () => {
        const list: unknown = JSON.parse(localStorage.getItem(FILES + (conversation ?? "new")) ?? "[]");
        return Array.isArray(list) ? list.filter(isAttachment) : [];
    });
}

export function writeDraftFiles(conversation: string | null, files: readonly Attachment[]): void {
    quietly(undefined, () => {
        const name = FILES + (conversation ?? "new");
        if (files.length === 0) localStorage.removeItem(name);
        else localStorage.setItem(name, JSON.stringify(files));
    });
}

const isAttachment = (value: unknown): value is Attachment => {
    const file = value as Partial<Attachment> | null;
    return (
        typeof file?.id === "string" && typeof file.name === "string" && typeof file.sizeBytes === "number"
    );
};

/* The outbox is of this tab alone: two tabs must not both send it. */
export function readOutbox(): Outgoing[] {
    return quietly([], () => {
        const list: unknown = JSON.parse(sessionStorage.getItem(OUTBOX) ?? "[]");
        if (!Array.isArray(list)) return [];
        return list.filter(
            (entry): entry is Outgoing =>
                typeof entry?.clientMsgId === "string" &&
                typeof entry.text === "string" &&
                (entry.attachments === undefined ||
                    (Array.isArray(entry.attachments) && entry.attachments.every(isAttachment))) &&
                [entry.continues, entry.edits, entry.again].every(
                    (id) => id === undefined || typeof id === "string",
                ),
        );
    });
}

export function writeOutbox(outbox: readonly Outgoing[]): void {
    quietly(undefined, () => {
        if (outbox.length === 0) sessionStorage.removeItem(OUTBOX);
        else sessionStorage.setItem(OUTBOX, JSON.stringify(outbox));
    });
}
