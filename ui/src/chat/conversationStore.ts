/* One conversation as the page shows it: its messages in order, and the turn that is being produced.
 *
 * It changes rarely (a message, a start, an end); what changes with every token is inside the TurnStore of the
 * running turn. Applying frames needs no socket: apply() says when the server must be asked again.
 * Invariants: at most one turn has not ended, and it is the last item [N7]; what is sent meanwhile waits behind it and
 * becomes an item when its own turn comes. */

import type {
    Attachment,
    Cursor,
    Message,
    Own,
    QueuedMessage,
    ServerFrame,
    Snapshot,
    Start,
} from "../protocol/frames";
import { type Branch, pathOf, refOf } from "./branches";
import {
    type Above,
    type AssistantItem,
    type Item,
    knowsGeneration,
    openTurn,
    outgoingAfter,
    outgoingAnswer,
    outgoingItems,
    outgoingTurn,
    takeOutgoing,
    type UserItem,
    userItem,
    withoutOutgoing,
} from "./items";
import { Store } from "./store";
import { type TurnOptions, TurnStore } from "./turnStore";
import { acceptWaiting, findWaiting, replaceWaiting, type Waiting } from "./waiting";

/* Why a message could not be sent. Nothing of it is stored: its text goes back to the composer. */
export interface SendFailure {
    text: string;
    attachments?: readonly Attachment[];
    error: string;
}

export interface ConversationSnapshot {
    id: string | null;
    title: string;
    status: "new" | "loading" | "ready" | "missing";
    items: readonly Item[] /* of all branches, in the order they were made */;
    current: string | null /* an id or a key; null: the last */;
    path: readonly Item[] /* what is shown */;
    branches: ReadonlyMap<string, Branch>;
    own: Own;
    isTemporary: boolean;
    editing: string | null /* the key of the message that is being written anew */;
    turn: TurnStore | null;
    waiting: readonly Waiting[];
    tokensUsed: number | null;
    maxTokens: number | null;
    failure: SendFailure | null;
}

export type ConversationFrame = Extract<
    ServerFrame,
    {
        type:
            | "snapshot"
            | "current"
            | "removed"
            | "restored"
            | "resumed"
            | "message"
            | "start"
            | "phase"
            | "tokens"
            | "end"
            | "queue"
            | "reset";
    }
>;

const NOTHING_OWN: Own = { model: null, settings: null };

let nextKey = 1;

export class ConversationStore extends Store<ConversationSnapshot> {
    readonly key = `c${nextKey++}`;
    private options: TurnOptions;
    private epoch: string | null = null;
    /* A question to the server is under way: holes do not ask again until it is answered. */
    private asking = false;
    /* What was shown before something was sent beside it, by the id of what was sent. */
    private shownBefore = new Map<string, string | null>();

    constructor(id: string | null, options: TurnOptions) {
        super({
            id,
            title: "",
            status: id === null ? "new" : "loading",
            items: [],
            current: null,
            path: [],
            branches: new Map(),
            own: NOTHING_OWN,
            isTemporary: false,
            editing: null,
            turn: null,
            waiting: [],
            tokensUsed: null,
            maxTokens: null,
            failure: null,
        });
        this.options = options;
    }

    get id(): string | null {
        return this.get().id;
    }

    override set(value: ConversationSnapshot): void {
        const before = this.get();
        if (value.items === before.items && value.current === before.current) super.set(value);
        else {
            const { items, branches } = pathOf(value.items, value.current);
            super.set({ ...value, path: items, branches });
        }
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
            case "current":
                this.show(frame.message);
                return "applied";
            case "removed":
            case "restored":
                /* The snapshot that follows says what is there. */
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
            case "queue":
                this.applyQueue(frame.messages);
                return "applied";
            case "tokens":
            case "end": {
                const turn = this.get().turn;
                if (!turn || (turn.generation !== null && turn.generation !== frame.generation))
                    return this.find(frame.generation) ? "applied" : this.askOnce();
                if (turn.apply(frame) === "hole") return this.askOnce();
                if (turn.ending) this.closeTurn(turn);
                return "applied";
            }
        }
    }

    /* addOutgoing shows a message at once, before the server has it, and a turn that waits for its answer; while another
     * turn runs it waits behind that one. */
    addOutgoing(clientMsgId: string, text: string, attachments: readonly Attachment[] = []): void {
        const timestamp = new Date().toISOString();
        const entry = { key: clientMsgId, id: null, content: text, timestamp, attachments };
        if (this.get().turn) {
            const last: Waiting = { ...entry, generation: null, isCancelled: false };
            this.update((value) => ({ ...value, failure: null, waiting: [...value.waiting, last] }));
            return;
        }
        this.addItems(clientMsgId, (turn) => outgoingItems(entry, turn, this.leaf()));
    }

    /* addEdit shows what takes the place of a message; null: it is not there. */
    addEdit(clientMsgId: string, message: string, text: string): void {
        const edited = this.get().items.find((item) => item.kind === "user" && item.id === message);
        const entry = { key: clientMsgId, id: null, content: text, timestamp: new Date().toISOString() };
        this.setEditing(null);
        if (this.get().turn) this.addOutgoing(clientMsgId, text);
        else if (edited) this.addItems(clientMsgId, (turn) => outgoingItems(entry, turn, edited.above));
    }

    /* addAnother shows the place of another answer. */
    addAnother(clientMsgId: string, message: string): void {
        const { items, turn } = this.get();
        const known = items.find((item) => item.kind === "assistant" && item.message?.id === message);
        const above = known ? known.above : message;
        if (!turn) this.addItems(clientMsgId, (turn) => [outgoingAnswer(clientMsgId, turn, above)]);
    }

    private addItems(clientMsgId: string, make: (turn: TurnStore) => Item[]): void {
        const turn = new TurnStore(this.options, this.options.now());
        const added = make(turn);
        this.shownBefore.set(clientMsgId, this.get().current);
        this.update((value) => ({
            ...value,
            status: value.status === "new" ? "ready" : value.status,
            failure: null,
            turn,
            items: [...value.items, ...added],
            current: added.at(-1)?.key ?? null,
        }));
    }

    /* What stands at the end of what is shown: what is sent stands below it. */
    private leaf(): Above {
        const last = this.get().path.at(-1);
        return last ? refOf(last) : null;
    }

    /* show: another branch; how full the context is changes with it. */
    private show(current: string | null): void {
        this.update((value) => ({ ...value, current }));
        const answer = this.get().path.findLast((item) => item.kind === "assistant");
        const usage = (answer?.turn?.ending ?? answer?.message?.generation?.ending)?.usage;
        if (usage?.promptTokens == null || usage.completionTokens == null) return;
        const tokensUsed = usage.promptTokens + usage.completionTokens;
        this.update((value) => ({ ...value, tokensUsed }));
    }

    setEditing(editing: string | null): void {
        this.update((value) => (value.editing === editing ? value : { ...value, editing }));
    }

    setOwn(own: Own): void {
        this.update((value) => ({ ...value, own }));
    }

    setTemporary(isTemporary: boolean): void {
        this.update((value) => ({ ...value, isTemporary }));
    }

    /* accept: the server has stored the message. */
    accept(
        clientMsgId: string,
        ack: { conversation: string; message: string; generation: string },
        epoch: string,
    ) {
        const { items } = this.get();
        this.epoch ??= epoch;
        this.shownBefore.delete(clientMsgId);
        if (this.isKnownAnswer(clientMsgId, ack.generation)) {
            this.update((value) => ({ ...value, items: withoutOutgoing(value.items, clientMsgId) }));
            this.update((value) => ({ ...value, current: ack.message, turn: openTurn(value.items) }));
            return;
        }
        const known = items.some(
            (item) => item.kind === "user" && item.id === ack.message && item.key !== clientMsgId,
        );
        this.update((value) => ({
            ...value,
            id: ack.conversation,
            waiting: known
                ? value.waiting.filter((entry) => entry.key !== clientMsgId)
                : acceptWaiting(value.waiting, clientMsgId, ack),
            items: known
                ? withoutOutgoing(items, clientMsgId)
                : items.map((item) => (item.key === clientMsgId ? { ...item, id: ack.message } : item)),
        }));
        if (known) this.update((value) => ({ ...value, turn: openTurn(value.items) }));
        else outgoingTurn(items, clientMsgId)?.accept(ack.generation);
    }

    /* The other answer that was asked for has come by a snapshot before its ack. */
    private isKnownAnswer(clientMsgId: string, generation: string): boolean {
        const { items } = this.get();
        const place = outgoingTurn(items, clientMsgId);
        const isAlone = !items.some((item) => item.key === clientMsgId);
        return (
            place !== null &&
            isAlone &&
            items.some(
                (item) =>
                    knowsGeneration(item, generation) && item.kind === "assistant" && item.turn !== place,
            )
        );
    }

    /* isWaitedFor: the turn that runs is the answer to this message of ours. */
    isWaitedFor(clientMsgId: string): boolean {
        const { items, turn } = this.get();
        return turn !== null && outgoingTurn(items, clientMsgId) === turn;
    }

    /* cancelWaiting marks one that its reader does not want any more; it goes when the server says so. */
    cancelWaiting(key: string): Waiting | undefined {
        this.update((value) => ({
            ...value,
            waiting: value.waiting.map((entry) =>
                entry.key === key ? { ...entry, isCancelled: true } : entry,
            ),
        }));
        return this.get().waiting.find((entry) => entry.key === key);
    }

    /* requestMore: the last answer shall go on from where it ended. It is its newest generation; null when it cannot. */
    requestMore(): string | null {
        const last = this.get().items.at(-1);
        if (this.get().turn || last?.kind !== "assistant") return null;
        const turn = last.turn ?? this.reopen(last);
        const generation = turn?.generation ?? null;
        if (!turn || generation === null) return null;
        turn.requestMore();
        this.update((value) => ({ ...value, turn }));
        return generation;
    }

    acceptMore(continues: string, next: string): void {
        this.turnOf(continues)?.acceptMore(continues, next);
    }

    refuseMore(continues: string): void {
        const turn = this.turnOf(continues);
        if (!turn) return;
        turn.refuseMore();
        if (turn.ending && this.get().turn === turn) this.closeTurn(turn);
    }

    /* takeBack removes a message that was not stored; the composer gets its text again. */
    takeBack(clientMsgId: string, failure: SendFailure | null): void {
        const before = this.shownBefore.get(clientMsgId);
        this.shownBefore.delete(clientMsgId);
        if (before !== undefined) this.update((value) => ({ ...value, current: before }));
        this.update((value) => {
            const items = withoutOutgoing(value.items, clientMsgId);
            const waiting = value.waiting.filter((entry) => entry.key !== clientMsgId);
            const status = value.id === null && items.length === 0 ? "new" : value.status;
            return { ...value, status, items, waiting, turn: openTurn(items), failure };
        });
    }

    dismissFailure(): void {
        this.update((value) => ({ ...value, failure: null }));
    }

    setTitle(title: string): void {
        this.update((value) => (value.title === title ? value : { ...value, title }));
    }

    setMissing(): void {
        this.update((value) => ({ ...value, status: "missing", items: [], turn: null, waiting: [] }));
    }

    private applySnapshot(frame: Snapshot): void {
        const before = this.get();
        const context = { used: frame.tokensUsed, max: frame.maxTokens };
        /* The system prompt is a setting: the page does not show it as a message. */
        const shown = frame.messages.filter((message) => message.role !== "system");
        const items = shown.map((message) => this.itemFor(message, before.items, context));
        const outgoing = outgoingAfter(frame.messages, before.items);
        /* Behind an answer that runs it waits. */
        const behind = openTurn(items) ? takeOutgoing(outgoing, () => true) : null;
        const all = [...items, ...(behind?.items ?? outgoing)];
        const ids = new Set<string | null>(shown.map((message) => message.id));
        this.epoch = frame.epoch;
        this.set({
            ...before,
            title: frame.title || before.title,
            status: "ready",
            items: all,
            current: all.length > items.length ? null : (frame.current ?? null),
            own: frame.own ?? before.own,
            turn: openTurn(all),
            waiting: [...(behind?.waiting ?? []), ...before.waiting].filter((entry) => !ids.has(entry.id)),
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
        return { kind: "assistant", key: known?.key ?? message.id, message, turn, above: message.parent };
    }

    private applyMessage(message: Message): void {
        const { items, waiting } = this.get();
        if (
            message.role !== "user" ||
            items.some((item) => item.kind !== "assistant" && item.id === message.id)
        )
            return;
        const next = findWaiting(waiting, message);
        if (next) {
            this.promote(next, message);
            return;
        }
        /* Our own message may come back before its ack. */
        const own = items.find(
            (item) => item.kind === "user" && item.id === null && item.content === message.content,
        );
        /* Another one's turn comes first: what we have sent waits behind it. */
        if (!own) this.demote(() => true);
        this.update((value) => ({
            ...value,
            items: own
                ? items.map((item) => (item === own ? userItem(message, own.key) : item))
                : [...value.items, userItem(message, message.id)],
            /* Its answer follows: they are shown together. */
            current: own ? value.current : message.id,
        }));
    }

    /* promote: its turn has come. */
    private promote(next: Waiting, message: Message): void {
        const turn = new TurnStore(this.options, null);
        if (next.generation !== null) turn.accept(next.generation);
        if (next.isCancelled) turn.requestStop();
        const { id, timestamp, attachments = [] } = message;
        this.update((value) => ({
            ...value,
            turn: value.turn ?? turn,
            waiting: value.waiting.filter((entry) => entry !== next),
            items: [
                ...value.items,
                ...outgoingItems({ ...next, id, timestamp, attachments }, turn, message.parent),
            ],
            current: null,
        }));
    }

    /* demote puts what we have sent and what has not started behind the answer that runs. */
    private demote(isMeant: (item: UserItem) => boolean): void {
        const taken = takeOutgoing(this.get().items, isMeant);
        if (taken.waiting.length === 0) return;
        this.update((value) => ({
            ...value,
            items: taken.items,
            turn: openTurn(taken.items),
            waiting: [...taken.waiting, ...value.waiting],
        }));
    }

    private applyQueue(messages: QueuedMessage[]): void {
        this.demote((item) =>
            messages.some((message) =>
                item.id === null ? item.content === message.content : item.id === message.id,
            ),
        );
        this.update((value) => ({ ...value, waiting: replaceWaiting(value.waiting, messages) }));
    }

    private applyStart(frame: Start): "applied" | "ask" {
        const { turn } = this.get();
        const known = this.find(frame.generation);
        if (known && turn?.generation !== frame.generation) return "applied";
        if (frame.continues !== null && !known) return this.applyGoingOn(frame, frame.continues);
        if (turn && (turn.generation === null || turn.generation === frame.generation)) {
            if (turn.apply(frame) === "hole") return this.askOnce();
            this.replaceItem((item) => item.turn === turn, { message: frame.message });
            this.update((value) => ({ ...value, current: frame.message.id }));
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
                {
                    kind: "assistant",
                    key: frame.message.id,
                    message: frame.message,
                    turn: fresh,
                    above: frame.message.parent,
                },
            ],
            current: frame.message.id,
        }));
        return "applied";
    }

    /* The same message goes on: the same item, the same turn, the text behind what is there. */
    private applyGoingOn(frame: Start, continues: string): "applied" | "ask" {
        this.demote(() => true);
        const item = this.find(continues);
        const turn = item && (item.turn ?? this.reopen(item));
        if (turn?.apply(frame) !== "applied") return this.askOnce();
        this.update((value) => ({ ...value, turn }));
        return "applied";
    }

    /* reopen gives an answer of a snapshot a turn, so that it can grow. */
    private reopen(item: AssistantItem): TurnStore | null {
        if (!item.message?.generation) return null;
        const turn = new TurnStore(this.options, null);
        turn.restore(item.message, { used: null, max: null });
        this.replaceItem((other) => other.key === item.key, { turn });
        return turn;
    }

    private replaceItem(isMeant: (item: AssistantItem) => boolean, by: Partial<AssistantItem>): void {
        this.update((value) => ({
            ...value,
            items: value.items.map((item) =>
                item.kind === "assistant" && isMeant(item) ? { ...item, ...by } : item,
            ),
        }));
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

    /* find is the answer that a generation is, or was, of. */
    private find(generation: string): AssistantItem | undefined {
        return this.get().items.find((item) => knowsGeneration(item, generation)) as
            | AssistantItem
            | undefined;
    }

    private turnOf(generation: string): TurnStore | null {
        return this.find(generation)?.turn ?? null;
    }

    private askOnce(): "applied" | "ask" {
        if (this.asking) return "applied";
        this.asking = true;
        return "ask";
    }
}
