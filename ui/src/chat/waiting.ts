/* The messages that wait behind the answer that runs, the next one first: the server's list, and behind it what this page
 * has sent and the server has not acknowledged. Pure. */

import type { Attachment, Message, QueuedMessage } from "../protocol/frames";

export interface Waiting {
    key: string;
    id: string | null /* null until the server has stored it */;
    content: string;
    timestamp: string;
    attachments?: readonly Attachment[] /* of what this page has sent; the server's list has none */;
    generation: string | null;
    isCancelled: boolean /* the reader does not want its answer any more */;
}

/* replaceWaiting: the server's list is the truth about what it has; one's own message may come in it before its ack. */
export function replaceWaiting(
    before: readonly Waiting[],
    messages: readonly QueuedMessage[],
): readonly Waiting[] {
    let known = before;
    const stored = messages.map((message) => {
        const own = findWaiting(known, message);
        known = known.filter((entry) => entry !== own);
        return {
            key: own?.key ?? message.id,
            id: message.id,
            content: message.content,
            timestamp: message.timestamp,
            ...(own?.attachments && { attachments: own.attachments }),
            generation: message.generation,
            isCancelled: own?.isCancelled ?? false,
        };
    });
    return [...stored, ...known.filter((entry) => entry.id === null)];
}

export function acceptWaiting(
    before: readonly Waiting[],
    key: string,
    ack: { message: string; generation: string },
): readonly Waiting[] {
    return before.map((entry) =>
        entry.key === key ? { ...entry, id: ack.message, generation: ack.generation } : entry,
    );
}

/* findWaiting is the entry that a message is: by its id, or one's own without an ack by its text. */
export function findWaiting(
    before: readonly Waiting[],
    message: Pick<Message, "id" | "content">,
): Waiting | undefined {
    return (
        before.find((entry) => entry.id === message.id) ??
        before.find((entry) => entry.id === null && entry.content === message.content)
    );
}
