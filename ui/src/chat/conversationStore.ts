/* One conversation as the page shows it: its messages in order, and the turn that is being produced.
 *
 * It changes rarely (a message, a start, an end); what changes with every token is inside the TurnStore of the
 * running turn. Applying frames needs no socket: apply() says when the server must be asked again.
 * Invariant: at most one turn has not ended, and it is the last item [N7]. */

import type { Cursor, Message, ServerFrame, Snapshot, Start } from "../protocol/frames";
import { Store } from "./store";
import { type TurnOptions, TurnStore } from "./turnStore";

export interface UserItem {
    kind: "user";
    key: string;
    id: string | null /* null until the server has stored it */;
    content: string;
    timestamp: string;
}

export interface AssistantItem {
    kind: "assistant";
    key: string;
    message: Message | null /* as the snapshot or `start` gave it */;
    turn: TurnStore | null /* of a turn that was produced while the page looked on */;
}

export type Item = UserItem | AssistantItem;

/* Why a message could not be sent. Nothing of it is stored: its text goes back to the composer. */
export interface SendFailure {
    text: string;
    error: string;
}

export interface ConversationSnapshot {
    id: string | null;
    title: string;
    status: "new" | "loading" | "ready" | "missing";
    items: readonly Item[];
    turn: TurnStore | null;
    tokensUsed: number | null;
    maxTokens: number | null;
    failure: SendFailure | null;
}

export type ConversationFrame = Extract<
    ServerFrame,
    { type: "snapshot" | "resumed" | "message" | "start" | "phase" | "tokens" | "end" | "reset" }
>;

let nextKey = 1;

export class ConversationStore extends Store<ConversationSnapshot> {
    readonly key = `c${nextKey++}`;
    private options: TurnOptions;
    private epoch: string | null = null;
    /* A question to the server is under way: holes do not ask again until it is answered. */
    private asking = false;

    constructor(id: string | null, options: TurnOptions) {
        super({
            id,
            title: "",
            status: id === null ? "new" : "loading",
            items: [],
            turn: null,
            tokensUsed: null,
            maxTokens: null,
            failure: null,
        });
        this.options = options;
    }

    get id(): string | null {
        return this.get().id;
    }

    /* cursor names the last event applied of the last generation known [N4]; null asks for a snapshot. */
    cursor(): Cursor | null {
        if (this.epoch === null || this.get().status !== "ready") return null;
        for (const item of this.get().items.toReversed()) {
            if (item.kind !== "assistant") continue;
            const generation = item.turn ? item.turn.generation : item.message?.generation?.id;
            const seq = item.turn ? item.turn.seq : (item.message?.generation?.seq ?? 0);
            if (generation && seq > 0) return { generation, epoch: this.epoch, after_seq: seq };
            if (item.turn && generation) return null;
        }
        return null;
    }

    asked(): void {
        this.asking = true;
    }

    /* apply is "ask" when the frame shows that something is missing: watch again from the cursor. */
    apply(frame: ConversationFrame): "applied" | "ask" {
        switch (frame.type) {
            case "snapshot":
                this.asking = false;
                this.applySnapshot(frame);
                return "applied";
            case "resumed":
                this.asking = false;
                return "applied";
            case "reset":
                /* The snapshot that follows replaces everything. */
                this.asking = true;
                return "applied";
            case "message":
                this.applyMessage(frame.message);
                return "applied";
            case "start":
                return this.applyStart(frame);
            case "phase":
                this.get().turn?.apply(frame);
                return "applied";
            case "tokens":
            case "end": {
                const turn = this.get().turn;
                if (!turn || (turn.generation !== null && turn.generation !== frame.generation))
                    return this.knows(frame.generation) ? "applied" : this.askOnce();
                if (turn.apply(frame) === "hole") return this.askOnce();
                if (turn.ending) this.closeTurn(turn);
                return "applied";
            }
        }
    }

    /* addOutgoing shows a message at once, before the server has it, and a turn that waits for its answer. */
    addOutgoing(clientMsgId: string, text: string): void {
        const turn = new TurnStore(this.options, this.options.now());
        const timestamp = new Date().toISOString();
        this.update((value) => ({
            ...value,
            status: value.status === "new" ? "ready" : value.status,
            failure: null,
            turn,
            items: [
                ...value.items,
                { kind: "user", key: clientMsgId, id: null, content: text, timestamp },
                { kind: "assistant", key: `${clientMsgId}-answer`, message: null, turn },
            ],
        }));
    }

    /* accept: the server has stored the message. */
    accept(
        clientMsgId: string,
        ack: { conversation: string; message: string; generation: string },
        epoch: string,
    ) {
        const { items } = this.get();
        this.epoch ??= epoch;
        const known = items.some(
            (item) => item.kind === "user" && item.id === ack.message && item.key !== clientMsgId,
        );
        const outgoing = items.find((item) => item.key === `${clientMsgId}-answer`);
        this.update((value) => ({
            ...value,
            id: ack.conversation,
            items: known
                ? withoutOutgoing(items, clientMsgId)
                : items.map((item) => (item.key === clientMsgId ? { ...item, id: ack.message } : item)),
        }));
        if (known) this.update((value) => ({ ...value, turn: openTurn(value.items) }));
        else if (outgoing?.kind === "assistant") outgoing.turn?.accept(ack.generation);
    }

    /* takeBack removes a message that was not stored; the composer gets its text again. */
    takeBack(clientMsgId: string, failure: SendFailure | null): void {
        this.update((value) => {
            const items = withoutOutgoing(value.items, clientMsgId);
            const status = value.id === null && items.length === 0 ? "new" : value.status;
            return { ...value, status, items, turn: openTurn(items), failure };
        });
    }

    dismissFailure(): void {
        this.update((value) => ({ ...value, failure: null }));
    }

    setTitle(title: string): void {
        this.update((value) => (value.title === title ? value : { ...value, title }));
    }

    setMissing(): void {
        this.update((value) => ({ ...value, status: "missing", items: [], turn: null }));
    }

    private applySnapshot(frame: Snapshot): void {
        const before = this.get();
        const context = { used: frame.tokensUsed, max: frame.maxTokens };
        /* The system prompt is a setting: the page does not show it as a message. */
        const shown = frame.messages.filter((message) => message.role !== "system");
        const items = shown.map((message) => this.itemFor(message, before.items, context));
        const outgoing = outgoingAfter(frame.messages, before.items);
        const all = [...items, ...outgoing];
        this.epoch = frame.epoch;
        this.set({
            ...before,
            title: frame.title || before.title,
            status: "ready",
            items: all,
            turn: openTurn(all),
            tokensUsed: frame.tokensUsed,
            maxTokens: frame.maxTokens,
        });
    }

    private itemFor(
        message: Message,
        before: readonly Item[],
        context: { used: number | null; max: number | null },
    ): Item {
        if (message.role !== "assistant") {
            const known = before.find((item) => item.kind !== "assistant" && item.id === message.id);
            return userItem(message, known?.key ?? message.id);
        }
        const known = before.find(
            (item) =>
                item.kind === "assistant" &&
                (item.message?.id === message.id ||
                    (item.turn !== null && item.turn.generation === message.generation?.id)),
        ) as AssistantItem | undefined;
        const runs = message.generation !== null && message.generation.ending === null;
        const turn = known?.turn ?? (runs ? new TurnStore(this.options, null) : null);
        turn?.restore(message, runs ? context : { used: null, max: null });
        return { kind: "assistant", key: known?.key ?? message.id, message, turn };
    }

    private applyMessage(message: Message): void {
        const { items } = this.get();
        if (
            message.role !== "user" ||
            items.some((item) => item.kind !== "assistant" && item.id === message.id)
        )
            return;
        /* Our own message may come back before its ack. */
        const own = items.find(
            (item) => item.kind === "user" && item.id === null && item.content === message.content,
        );
        this.update((value) => ({
            ...value,
            items: own
                ? items.map((item) => (item === own ? userItem(message, own.key) : item))
                : [...items, userItem(message, message.id)],
        }));
    }

    private applyStart(frame: Start): "applied" | "ask" {
        const { turn } = this.get();
        if (this.knows(frame.generation) && turn?.generation !== frame.generation) return "applied";
        if (turn && (turn.generation === null || turn.generation === frame.generation)) {
            if (turn.apply(frame) === "hole") return this.askOnce();
            this.update((value) => ({
                ...value,
                items: value.items.map((item) =>
                    item.kind === "assistant" && item.turn === turn
                        ? { ...item, message: frame.message }
                        : item,
                ),
            }));
            return "applied";
        }
        /* A start while another turn runs: its end was missed. */
        if (turn) return this.askOnce();
        const fresh = new TurnStore(this.options, null);
        if (fresh.apply(frame) === "hole") return this.askOnce();
        this.update((value) => ({
            ...value,
            turn: fresh,
            items: [
                ...value.items,
                { kind: "assistant", key: frame.message.id, message: frame.message, turn: fresh },
            ],
        }));
        return "applied";
    }

    private closeTurn(turn: TurnStore): void {
        const { used, max } = turn.context;
        this.update((value) => ({
            ...value,
            turn: null,
            tokensUsed: used ?? value.tokensUsed,
            maxTokens: max ?? value.maxTokens,
        }));
    }

    private knows(generation: string): boolean {
        return this.get().items.some(
            (item) =>
                item.kind === "assistant" &&
                (item.turn ? item.turn.generation : item.message?.generation?.id) === generation,
        );
    }

    private askOnce(): "applied" | "ask" {
        if (this.asking) return "applied";
        this.asking = true;
        return "ask";
    }
}

function userItem(message: Message, key: string): UserItem {
    return {
        kind: "user",
        key,
        id: message.id,
        content: message.content,
        timestamp: message.timestamp,
    };
}

/* outgoingAfter is what a snapshot does not know yet and stays at the end: messages that are not acknowledged,
 * and an answer that is promised but has not started. */
function outgoingAfter(messages: readonly Message[], before: readonly Item[]): Item[] {
    const ids = new Set(messages.map((message) => message.id));
    const generations = new Set(messages.map((message) => message.generation?.id));
    const shown = new Set(before.map((item) => (item.kind === "assistant" ? null : item.id)));
    /* The message may be stored while its ack was lost: then it is among the new ones. */
    const fresh = new Set(
        messages.filter((message) => !shown.has(message.id)).map((message) => message.content),
    );
    return before.filter((item, place) => {
        if (item.kind !== "assistant") return item.id === null && !fresh.has(item.content);
        const question = before[place - 1];
        if (item.message || !item.turn || !question || question.kind === "assistant") return false;
        if (question.id === null) return !fresh.has(question.content);
        return ids.has(question.id) && !generations.has(item.turn.generation ?? undefined);
    });
}

function withoutOutgoing(items: readonly Item[], clientMsgId: string): Item[] {
    return items.filter(
        (item) =>
            item.key !== clientMsgId &&
            !(item.key === `${clientMsgId}-answer` && item.kind === "assistant" && item.message === null),
    );
}

function openTurn(items: readonly Item[]): TurnStore | null {
    const last = items.at(-1);
    return last?.kind === "assistant" && last.turn && !last.turn.ending ? last.turn : null;
}
