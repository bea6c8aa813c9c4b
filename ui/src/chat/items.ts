/* The messages of a conversation as the page shows them, and what may be done to their list. Pure. */

import type { Attachment, Message } from "../protocol/frames";
import type { TurnStore } from "./turnStore";
import type { Waiting } from "./waiting";

export interface UserItem {
    kind: "user";
    key: string;
    id: string | null /* null until the server has stored it */;
    content: string;
    timestamp: string;
    above: Above;
    attachments: readonly Attachment[];
}

/* The message that an item follows: its id, or the key of an item that has none yet. null: a root; undefined: the one before it. */
export type Above = string | null | undefined;

export interface AssistantItem {
    kind: "assistant";
    key: string;
    above: Above;
    message: Message | null /* as the snapshot or `start` gave it */;
    turn: TurnStore | null /* of a turn that was produced while the page looked on */;
}

export type Item = UserItem | AssistantItem;

export function userItem(message: Message, key: string): UserItem {
    return {
        kind: "user",
        key,
        id: message.id,
        content: message.content,
        timestamp: message.timestamp,
        above: message.parent,
        attachments: message.attachments ?? [],
    };
}

/* outgoingItems are a message that is on its way and the place of its answer. */
export function outgoingItems(
    waiting: Omit<Waiting, "generation" | "isCancelled">,
    turn: TurnStore,
    above: Above,
): Item[] {
    const { key, id, content, timestamp, attachments = [] } = waiting;
    return [
        { kind: "user", key, id, content, timestamp, above, attachments },
        { kind: "assistant", key: answerKey(key), message: null, turn, above: key },
    ];
}

/* outgoingAnswer is the place of another answer that is on its way. */
export function outgoingAnswer(key: string, turn: TurnStore, above: Above): AssistantItem {
    return { kind: "assistant", key: answerKey(key), message: null, turn, above };
}

const answerKey = (key: string) => `${key}-answer`;

export function outgoingTurn(items: readonly Item[], key: string): TurnStore | null {
    const found = items.find((item) => item.key === answerKey(key));
    return found?.kind === "assistant" ? found.turn : null;
}

/* outgoingAfter is what a snapshot does not know yet and stays at the end: messages that are not acknowledged,
 * and an answer that is promised but has not started. */
export function outgoingAfter(messages: readonly Message[], before: readonly Item[]): Item[] {
    const ids = new Set(messages.map((message) => message.id));
    const generations = new Set(messages.map((message) => message.generation?.id));
    const shown = new Set(before.map((item) => (item.kind === "assistant" ? null : item.id)));
    /* The message may be stored while its ack was lost: then it is among the new ones. */
    const fresh = new Set(
        messages.filter((message) => !shown.has(message.id)).map((message) => message.content),
    );
    return before.filter((item, place) => {
        if (item.kind !== "assistant") return item.id === null && !fresh.has(item.content);
        if (item.message || !item.turn) return false;
        const question = before[place - 1];
        if (question?.kind !== "user" || answerKey(question.key) !== item.key)
            return item.turn.generation === null || !generations.has(item.turn.generation);
        if (question.id === null) return !fresh.has(question.content);
        return ids.has(question.id) && !generations.has(item.turn.generation ?? undefined);
    });
}

export function withoutOutgoing(items: readonly Item[], key: string): Item[] {
    return items.filter(
        (item) =>
            item.key !== key &&
            !(item.key === answerKey(key) && item.kind === "assistant" && item.message === null),
    );
}

/* takeOutgoing takes out the messages whose answers have not started, as what waits behind the one that runs. */
export function takeOutgoing(
    items: readonly Item[],
    isMeant: (item: UserItem) => boolean,
): { items: Item[]; waiting: Waiting[] } {
    const waiting: Waiting[] = [];
    let rest: Item[] = [...items];
    items.forEach((item, place) => {
        const answer = items[place + 1];
        if (item.kind !== "user" || answer?.kind !== "assistant" || !isMeant(item)) return;
        if (answer.message || !answer.turn || answer.key !== answerKey(item.key)) return;
        const { key, id, content, timestamp, attachments } = item;
        const { generation, isStopping } = answer.turn;
        waiting.push({ key, id, content, timestamp, attachments, generation, isCancelled: isStopping });
        rest = withoutOutgoing(rest, key);
    });
    return { items: rest, waiting };
}

export function openTurn(items: readonly Item[]): TurnStore | null {
    const last = items.at(-1);
    return last?.kind === "assistant" && last.turn && !last.turn.ending ? last.turn : null;
}

/* knowsGeneration: it is, or was, the item's. */
export function knowsGeneration(item: Item, generation: string): boolean {
    if (item.kind !== "assistant") return false;
    if (item.turn) return item.turn.knows(generation);
    const known = item.message?.generation;
    return known?.id === generation || known?.continues === generation;
}
