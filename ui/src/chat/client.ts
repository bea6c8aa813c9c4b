/* The page's one client: it owns the socket and gives every frame to the store that it belongs to.
 *
 * Watching: the conversation on the screen is watched, and no other, so that the server knows what was not looked at [N41]; another one is
 * left with its cursor and caught up from there when it is opened again. After each connect it is watched anew from its cursor, then what was
 * not acknowledged is sent again, with the same id [N6], then stops. */

import type { Json } from "../protocol/check";
import type { Download } from "../protocol/downloads";
import type {
    Attachment,
    ClientFrame,
    ConversationEvent,
    ModelStatus,
    Own,
    ServerFrame,
    StorageState,
    Tokens,
} from "../protocol/frames";
import type { Rest } from "../protocol/rest";
import { Socket, type SocketOptions, type SocketStatus } from "../protocol/socket";
import { type ConversationFrame, ConversationStore } from "./conversationStore";
import type { AssistantItem } from "./items";
import { ListStore } from "./listStore";
import { type Outgoing, readOutbox, writeOutbox } from "./localStore";
import { Store } from "./store";
import { isTracing, traceReceived } from "./trace";
import type { TurnOptions } from "./turnStore";

interface Posted extends Outgoing {
    store: ConversationStore;
    isSent: boolean /* once at least */;
}

/* How many conversations stay in memory after they were left. */
const KEPT_MAX = 12;

const STORAGE_FINE: StorageState = { state: "fine", text: "" };

export interface ConnectionSnapshot {
    socket: SocketStatus;
    wasOpen: boolean;
    catchingUp: boolean;
}

export interface ClientOptions extends TurnOptions {
    rest: Rest;
    socket: Pick<SocketOptions, "url" | "create" | "random">;
    onCreated: (conversation: ConversationStore, id: string) => void;
    onError: (text: string) => void;
    newId: () => string;
}

export interface Observer {
    connected: () => void;
    onClock: (tUs: number) => void;
    onTokens: (frame: Tokens) => void;
}

export class ChatClient {
    readonly list: ListStore;
    readonly model = new Store<ModelStatus | null>(null);
    readonly version = new Store<string>("");
    readonly storage = new Store<StorageState>(STORAGE_FINE);
    /* Setting when_busy: a message that is sent while an answer runs waits behind it. */
    readonly isQueueing = new Store<boolean>(false);
    readonly connection = new Store<ConnectionSnapshot>({
        socket: { state: "idle" },
        wasOpen: false,
        catchingUp: false,
    });
    readonly downloads = new Store<readonly Download[]>([]);
    /* Who looks at the way of each token (inspector.ts); nobody does, as a rule. */
    observer: Observer | null = null;
    readonly rest: Rest;
    private options: ClientOptions;
    private socket: Socket;
    private kept = new Map<string, ConversationStore>();
    private active: ConversationStore | null = null;
    private fresh: ConversationStore | null = null;
    private watched = new Set<string>();
    private outbox: Posted[] = [];
    private epoch = "";

    constructor(options: ClientOptions) {
        this.options = options;
        this.rest = options.rest;
        this.list = new ListStore(options.rest);
        this.socket = new Socket({
            ...options.socket,
            onFrame: (frame) => this.receive(frame),
            onStatus: (status) => this.statusChanged(status),
            onBadFrame: (why) => options.onError(`The server sent a frame that cannot be read: ${why}`),
        });
        for (const entry of readOutbox()) {
            const store = entry.conversation ? this.storeOf(entry.conversation) : this.freshStore();
            /* A branch is shown when the conversation is there. */
            if (!isAbout(entry)) store.addOutgoing(entry.clientMsgId, entry.text, entry.attachments);
            this.outbox.push({ ...entry, store, isSent: false });
        }
    }

    start(): void {
        this.socket.start();
    }

    wake(): void {
        this.socket.wake();
    }

    retry(): void {
        this.socket.retry();
    }

    /* open brings a conversation to the screen; null is the one that does not exist yet. */
    open(id: string | null): ConversationStore {
        const store = id === null ? this.freshStore() : this.storeOf(id);
        if (store === this.active) return store;
        const left = this.active;
        this.active = store;
        if (left) this.leave(left);
        if (store.id !== null && !this.watched.has(store.id)) this.watch(store);
        return store;
    }

    /* send shows the message at once and keeps it until the server has acknowledged it. */
    send(store: ConversationStore, text: string, attachments: readonly Attachment[] = []): void {
        const clientMsgId = this.options.newId();
        store.addOutgoing(clientMsgId, text, attachments);
        this.post({ clientMsgId, conversation: store.id, text, attachments, store, isSent: false });
    }

    /* edit puts another text beside a message, with an answer of its own [N21]. */
    edit(store: ConversationStore, message: string, text: string): void {
        const clientMsgId = this.options.newId();
        store.addEdit(clientMsgId, message, text);
        this.post({ clientMsgId, conversation: store.id, text, edits: message, store, isSent: false });
    }

    /* regenerate asks for another answer beside one, or below a message [N22]. */
    regenerate(store: ConversationStore, message: string): void {
        if (store.get().turn) return;
        const clientMsgId = this.options.newId();
        store.addAnother(clientMsgId, message);
        this.post({ clientMsgId, conversation: store.id, text: "", again: message, store, isSent: false });
    }

    /* select shows another branch, on every screen [N23]. */
    select(store: ConversationStore, message: string): void {
        if (store.id !== null) this.socket.send({ type: "select", conversation: store.id, message });
    }

    /* seen takes the mark from a conversation whose answer was not looked at, on every screen [N41]. */
    seen(id: string): void {
        if (this.socket.send({ type: "seen", conversation: id })) this.list.setSeen(id);
    }

    /* changeOwn changes what a conversation has of its own; of one that is not there yet it goes with the first message [N27]. */
    async changeOwn(store: ConversationStore, own: Own): Promise<void> {
        if (store.id !== null) await this.rest.change(store.id, changesOf(store.get().own, own));
        store.setOwn(own);
    }

    /* draft says what is being typed, so that the model can read it before it is sent [N16]. */
    draft(store: ConversationStore, text: string): void {
        this.socket.send(
            store.id === null ? { type: "draft", text } : { type: "draft", conversation: store.id, text },
        );
    }

    /* inspect asks for the stations of tokens [N33], or for none any more. */
    inspect(on: boolean): void {
        this.socket.send({ type: "inspect", on });
    }

    /* stop is idempotent; what was never sent is taken back instead. */
    stop(store: ConversationStore): void {
        const turn = store.get().turn;
        if (!turn) return;
        const unsent = this.outbox.find(
            (entry) =>
                entry.store === store &&
                !entry.isSent &&
                (isAbout(entry) || store.isWaitedFor(entry.clientMsgId)),
        );
        if (unsent) this.withdraw(unsent, "");
        else {
            turn.requestStop();
            this.transmitStop(store);
        }
    }

    /* goOn lets the last answer go on from where it ended before it was whole [N13]. */
    goOn(store: ConversationStore): void {
        const continues = store.requestMore();
        if (continues === null) return;
        const clientMsgId = this.options.newId();
        this.post({ clientMsgId, conversation: store.id, text: "", continues, store, isSent: false });
    }

    /* cancelWaiting takes back a message whose answer has not begun. */
    cancelWaiting(store: ConversationStore, key: string): void {
        const unsent = this.outbox.find((entry) => entry.clientMsgId === key && !entry.isSent);
        if (unsent) {
            this.withdraw(unsent, "");
            return;
        }
        const generation = store.cancelWaiting(key)?.generation ?? null;
        if (generation !== null) this.socket.send({ type: "stop", generation });
    }

    /* configured takes what a configuration says that the page itself must know. */
    configured(config: Json): void {
        this.isQueueing.set(config.when_busy === "queue");
    }

    /* textOf is what one generation said, messageText a message's whole text; null when it is not known. */
    textOf(generation: string): string | null {
        for (const { turn, message } of this.answers()) {
            const text = turn?.textOf(generation) ?? null;
            if (text !== null) return text;
            const known = message?.generation;
            if (!turn && known?.id === generation && known.continues === null)
                return message?.content ?? null;
        }
        return null;
    }

    messageText(id: string): string | null {
        for (const { turn, message } of this.answers())
            if (message?.id === id) return turn ? turn.text : message.content;
        return null;
    }

    private answers(): AssistantItem[] {
        const stores = [...this.kept.values(), ...(this.fresh ? [this.fresh] : [])];
        return stores.flatMap((store) => store.get().items).filter((item) => item.kind === "assistant");
    }

    private receive(frame: ServerFrame): void {
        switch (frame.type) {
            case "hello":
                this.greeted(frame.epoch, frame.version, frame.model);
                return;
            case "ack":
                this.acknowledged(frame);
                return;
            case "model":
                this.model.set(frame.model);
                return;
            case "storage":
                this.storage.set({ state: frame.state, text: frame.text });
                return;
            case "conversation":
                this.list.apply(frame);
                this.told(frame);
                return;
            case "downloads":
                this.downloads.set(frame.downloads);
                return;
            case "clock":
                this.observer?.onClock(frame.tUs);
                return;
            case "error":
                this.refused(frame);
                return;
            case "ping":
                return;
            default:
                this.toConversation(frame);
        }
    }

    private told(frame: ConversationEvent): void {
        const store = this.kept.get(frame.conversation);
        if (!store) return;
        if (frame.event === "deleted") {
            store.setMissing();
            return;
        }
        if (frame.title !== null) store.setTitle(frame.title);
        const { own } = store.get();
        if (frame.marks && frame.marks.model !== own.model)
            store.setOwn({ ...own, model: frame.marks.model });
    }

    private toConversation(frame: ConversationFrame): void {
        if (frame.type === "tokens" && isTracing) traceReceived(frame.seq, frame.n);
        if (frame.type === "tokens") this.observer?.onTokens(frame);
        const store = this.kept.get(frame.conversation);
        if (!store) return;
        if (store.apply(frame) === "ask") this.watch(store);
        if ((frame.type === "snapshot" || frame.type === "resumed") && store === this.active) this.caughtUp();
        if (frame.type === "end" && store.get().turn?.isStopping) this.transmitStop(store);
    }

    private greeted(epoch: string, version: string, model: ModelStatus | null): void {
        this.epoch = epoch;
        this.version.set(version);
        this.storage.set(STORAGE_FINE);
        if (model) this.model.set(model);
        this.watched.clear();
        this.observer?.connected();
        if (this.active) this.watch(this.active);
        for (const entry of [...this.outbox]) this.transmit(entry);
        for (const store of this.kept.values()) this.transmitStops(store);
        void this.list.refresh();
        void this.rest.config().then(
            (config) => this.configured(config),
            () => {} /* It is read again with the next connection. */,
        );
        if (!this.active || this.active.id === null) this.caughtUp();
    }

    private acknowledged(frame: Extract<ServerFrame, { type: "ack" }>): void {
        const entry = this.outbox.find((entry) => entry.clientMsgId === frame.clientMsgId);
        if (!entry) return;
        this.forget(entry);
        const { store } = entry;
        if (entry.continues !== undefined) store.acceptMore(entry.continues, frame.generation);
        else this.accepted(entry, frame);
        if (store !== this.active) {
            /* The server lets the sender watch by itself [N6]. */
            this.watched.add(frame.conversation);
            this.leave(store);
        } else if (frame.duplicate) this.watch(store);
        this.transmitStops(store);
    }

    private accepted(entry: Posted, frame: Extract<ServerFrame, { type: "ack" }>): void {
        const { store } = entry;
        const isNew = store.id === null;
        store.accept(frame.clientMsgId, frame, this.epoch);
        if (isNew) {
            if (store === this.fresh) this.fresh = null;
            this.kept.set(frame.conversation, store);
            /* The server lets the sender watch by itself [N6]; a repeated send may find it under way. */
            this.watched.add(frame.conversation);
            this.options.onCreated(store, frame.conversation);
            this.transmitHeld(store);
        }
    }

    private refused(frame: Extract<ServerFrame, { type: "error" }>): void {
        const { about } = frame;
        const entry = this.outbox.find((entry) => entry.clientMsgId === about.clientMsgId);
        if (entry) {
            this.withdraw(entry, frame.text || frame.code);
            return;
        }
        const store = about.conversation ? this.kept.get(about.conversation) : undefined;
        if (about.type === "watch" && store) {
            this.watched.delete(about.conversation as string);
            if (frame.code === "not_found") store.setMissing();
            this.caughtUp();
            if (frame.code === "not_found") return;
        }
        if (about.type !== "stop" && about.type !== "unwatch") this.options.onError(frame.text || frame.code);
    }

    private statusChanged(socket: SocketStatus): void {
        this.connection.update((value) => ({
            socket,
            wasOpen: value.wasOpen || socket.state === "open",
            catchingUp: socket.state === "open" && value.wasOpen,
        }));
    }

    private caughtUp(): void {
        this.connection.update((value) => (value.catchingUp ? { ...value, catchingUp: false } : value));
    }

    private watch(store: ConversationStore): void {
        const conversation = store.id;
        if (conversation === null || this.socket.status.state !== "open") return;
        store.asked();
        const cursor = store.cursor();
        this.watched.add(conversation);
        this.socket.send(cursor ? { type: "watch", conversation, cursor } : { type: "watch", conversation });
    }

    private leave(store: ConversationStore): void {
        const id = store.id;
        if (id === null) return;
        if (this.watched.delete(id)) this.socket.send({ type: "unwatch", conversation: id });
        for (const [key, kept] of this.kept) {
            if (this.kept.size <= KEPT_MAX) break;
            const isOnItsWay = this.outbox.some((entry) => entry.store === kept);
            if (kept !== this.active && !isOnItsWay) this.kept.delete(key);
        }
    }

    private post(entry: Posted): void {
        this.outbox.push(entry);
        this.saveOutbox();
        this.transmit(entry);
    }

    private transmit(entry: Posted): void {
        const { store } = entry;
        /* What follows the first message of a new conversation waits for its id. */
        if (store.id === null && this.outbox.find((other) => other.store === store) !== entry) return;
        if (this.socket.send(frameOf(entry))) entry.isSent = true;
    }

    private transmitHeld(store: ConversationStore): void {
        for (const entry of [...this.outbox])
            if (entry.store === store && !entry.isSent) this.transmit(entry);
    }

    /* withdraw undoes what was shown of an entry that the server has not taken. */
    private withdraw(entry: Posted, error: string): void {
        this.forget(entry);
        if (entry.continues === undefined) {
            const isText = entry.again === undefined;
            entry.store.takeBack(entry.clientMsgId, isText ? failureOf(entry, error) : null);
            if (!isText && error) this.options.onError(`There is no other answer: ${error}`);
            this.transmitHeld(entry.store);
            return;
        }
        entry.store.refuseMore(entry.continues);
        if (error) this.options.onError(`The answer does not go on: ${error}`);
    }

    private transmitStop(store: ConversationStore): void {
        const generation = store.get().turn?.running ?? null;
        if (generation !== null) this.socket.send({ type: "stop", generation });
        else if (store.id !== null) this.socket.send({ type: "stop", conversation: store.id });
    }

    /* What was to be stopped before the server could know. */
    private transmitStops(store: ConversationStore): void {
        const { turn, waiting } = store.get();
        if (turn?.isStopping) this.transmitStop(store);
        for (const { isCancelled, generation } of waiting)
            if (isCancelled && generation !== null) this.socket.send({ type: "stop", generation });
    }

    private forget(entry: Outgoing): void {
        this.outbox = this.outbox.filter((other) => other.clientMsgId !== entry.clientMsgId);
        this.saveOutbox();
    }

    private saveOutbox(): void {
        writeOutbox(
            this.outbox.map(({ clientMsgId, text, attachments = [], continues, edits, again, store }) => ({
                clientMsgId,
                conversation: store.id,
                text,
                ...(attachments.length > 0 && { attachments }),
                ...(continues !== undefined && { continues }),
                ...(edits !== undefined && { edits }),
                ...(again !== undefined && { again }),
            })),
        );
    }

    private storeOf(id: string): ConversationStore {
        let store = this.kept.get(id);
        if (store) this.kept.delete(id);
        store ??= new ConversationStore(id, this.options);
        /* Put in anew: the map's order is that of use. */
        this.kept.set(id, store);
        return store;
    }

    private freshStore(): ConversationStore {
        this.fresh ??= new ConversationStore(null, this.options);
        return this.fresh;
    }
}

/* What is not there any more is taken away by null [W50]. */
function changesOf(before: Own, after: Own): Json {
    const gone = Object.keys(before.settings ?? {}).filter((name) => !(name in (after.settings ?? {})));
    const settings = { ...Object.fromEntries(gone.map((name) => [name, null])), ...after.settings };
    return { model: after.model, settings: after.settings === null ? null : settings };
}

/* It is no message at the end: it is about one that is there. */
const isAbout = (entry: Outgoing) =>
    entry.continues !== undefined || entry.edits !== undefined || entry.again !== undefined;

/* Another version of a message has the files of the first. */
function filesOf(store: ConversationStore, message: string) {
    const item = store.get().items.find((one) => one.kind === "user" && one.id === message);
    const files = item?.kind === "user" ? item.attachments : [];
    return files.length > 0 && { attachments: files.map(({ id, name }) => ({ id, name })) };
}

const failureOf = ({ text, attachments }: Posted, error: string) => ({
    text,
    ...(attachments?.length && { attachments }),
    error,
});

function frameOf({
    clientMsgId,
    text,
    attachments = [],
    continues,
    edits,
    again,
    store,
}: Posted): ClientFrame {
    const { id, own, isTemporary } = store.get();
    if (continues !== undefined)
        return { type: "continue", client_msg_id: clientMsgId, generation: continues };
    if (edits !== undefined && id !== null)
        return {
            type: "edit",
            client_msg_id: clientMsgId,
            conversation: id,
            message: edits,
            text,
            ...filesOf(store, edits),
        };
    if (again !== undefined && id !== null)
        return { type: "regenerate", client_msg_id: clientMsgId, conversation: id, message: again };
    const frame = {
        type: "send",
        client_msg_id: clientMsgId,
        text,
        ...(attachments.length > 0 && { attachments: attachments.map(({ id, name }) => ({ id, name })) }),
    } as const;
    if (id !== null) return { ...frame, conversation: id };
    return {
        ...frame,
        ...(isTemporary && { temporary: true }),
        ...((own.model !== null || own.settings !== null) && { own: { ...own } }),
    };
}
