import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Rest } from "../protocol/rest";
import { ChatClient } from "./client";
import { CONVERSATION, ManualTime } from "./testFrames";

/* A server at the other end of a fake WebSocket: it keeps what was said and says what the test wants. */
class FakeServer {
    sockets: FakeSocket[] = [];
    get said(): Record<string, unknown>[] {
        return this.sockets.at(-1)?.sent.map((text) => JSON.parse(text)) ?? [];
    }
    say(frame: object): void {
        this.sockets.at(-1)?.onmessage?.({ data: JSON.stringify(frame) });
    }
    greet(epoch = "e1"): void {
        this.sockets.at(-1)?.onopen?.();
        this.say({ type: "hello", protocol: 1, epoch, version: "0.1.0", model: null });
    }
    drop(): void {
        this.sockets.at(-1)?.onclose?.({ code: 1006 });
    }
}

class FakeSocket {
    onopen: (() => void) | null = null;
    onmessage: ((event: { data: string }) => void) | null = null;
    onclose: ((event: { code: number }) => void) | null = null;
    sent: string[] = [];
    send(text: string) {
        this.sent.push(text);
    }
    close() {}
}

function setUp(config: Record<string, unknown> = {}) {
    const server = new FakeServer();
    const created: string[] = [];
    const errors: string[] = [];
    let id = 0;
    const time = new ManualTime();
    const client = new ChatClient({
        rest: { conversations: async () => [], config: async () => config } as unknown as Rest,
        socket: {
            url: () => "ws://test/ws",
            create: () => {
                const socket = new FakeSocket();
                server.sockets.push(socket);
                return socket as unknown as WebSocket;
            },
            random: () => 0,
        },
        schedule: time.schedule,
        now: time.now,
        newId: () => `id${++id}`,
        onCreated: (_, conversation) => created.push(conversation),
        onError: (text) => errors.push(text),
    });
    client.start();
    return { server, client, created, errors };
}

const of = { conversation: CONVERSATION, generation: "g1" };
const userMessage = { id: "u1", parent: null, role: "user", content: "Hi", timestamp: "" };
const running = (content: string, seq: number) => ({
    id: "a1",
    parent: "u1",
    role: "assistant",
    content,
    timestamp: "",
    generation: { id: "g1", seq, ended: false, reason: null, usage: null, timings: null },
});
const snapshot = (messages: object[]) => ({
    type: "snapshot",
    conversation: CONVERSATION,
    epoch: "e1",
    title: "T",
    messages,
    tokens_used: 1,
    max_tokens: 9,
});
const ack = (clientMsgId: string, duplicate = false) => ({
    type: "ack",
    client_msg_id: clientMsgId,
    ...of,
    message: "u1",
    duplicate,
});
const token = (seq: number, text: string) => ({
    type: "tokens",
    ...of,
    seq,
    n: 1,
    text,
    tokens_used: 5,
    max_tokens: 9,
});

const storage = () => {
    const values = new Map<string, string>();
    return {
        getItem: (name: string) => values.get(name) ?? null,
        setItem: (name: string, value: string) => void values.set(name, value),
        removeItem: (name: string) => void values.delete(name),
    };
};

beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("sessionStorage", storage());
    vi.stubGlobal("localStorage", storage());
    return () => {
        vi.useRealTimers();
        vi.unstubAllGlobals();
    };
});

describe("ChatClient", () => {
    it("watches the open conversation after hello", () => {
        const { server, client } = setUp();
        client.open(CONVERSATION);
        server.greet();
        expect(server.said.slice(1)).toEqual([{ type: "watch", conversation: CONVERSATION }]);
    });

    it("catches up by cursor after a lost connection, and gets no text twice (P2)", () => {
        const { server, client } = setUp();
        const store = client.open(CONVERSATION);
        server.greet();
        server.say(snapshot([userMessage, running("One", 2)]));
        server.say(token(3, " two"));
        server.drop();
        vi.advanceTimersByTime(5000);
        server.greet();
        expect(server.said[1]).toEqual({
            type: "watch",
            conversation: CONVERSATION,
            cursor: { generation: "g1", epoch: "e1", after_seq: 3 },
        });
        server.say({ type: "resumed", conversation: CONVERSATION });
        server.say(token(3, " two"));
        server.say(token(4, " three"));
        expect(store.get().turn?.text).toBe("One two three");
    });

    it("says that it catches up until the conversation is there", () => {
        const { server, client } = setUp();
        client.open(CONVERSATION);
        server.greet();
        expect(client.connection.get().catchingUp).toBe(false);
        server.say(snapshot([]));
        server.drop();
        vi.advanceTimersByTime(5000);
        server.greet();
        expect(client.connection.get().catchingUp).toBe(true);
        server.say(snapshot([]));
        expect(client.connection.get().catchingUp).toBe(false);
    });

    it("watches again from its cursor when there is a hole [N3]", () => {
        const { server, client } = setUp();
        client.open(CONVERSATION);
        server.greet();
        server.say(snapshot([running("One", 2)]));
        server.say(token(9, "x"));
        expect(server.said.at(-1)).toMatchObject({ type: "watch", cursor: { after_seq: 2 } });
    });

    it("a new conversation is sent without an id, and gets its address with the ack", () => {
        const { server, client, created } = setUp();
        const store = client.open(null);
        server.greet();
        client.send(store, "Hi");
        expect(server.said.at(-1)).toEqual({ type: "send", client_msg_id: "id1", text: "Hi" });
        server.say(ack("id1"));
        expect(created).toEqual([CONVERSATION]);
        expect(client.open(CONVERSATION)).toBe(store);
        server.say({ type: "start", ...of, seq: 1, message: running("", 1) });
        server.say(token(2, "Yo"));
        expect(store.get().turn?.text).toBe("Yo");
        expect(client.open(null)).not.toBe(store);
    });

    it("sends what was not acknowledged again, with the same id [N6]", () => {
        const { server, client } = setUp();
        const store = client.open(null);
        server.greet();
        client.send(store, "Hi");
        server.drop();
        vi.advanceTimersByTime(5000);
        server.greet();
        expect(server.said.slice(1)).toEqual([{ type: "send", client_msg_id: "id1", text: "Hi" }]);
        server.say(ack("id1", true));
        expect(server.said.at(-1)).toMatchObject({ type: "watch", conversation: CONVERSATION });
        server.drop();
        vi.advanceTimersByTime(5000);
        server.greet();
        expect(server.said.some((frame) => frame.type === "send")).toBe(false);
    });

    it("a message that was not acknowledged survives a reload of the page", () => {
        const before = setUp();
        before.server.greet();
        before.client.send(before.client.open(null), "Hi");
        const after = setUp();
        const store = after.client.open(null);
        expect(store.get().items.map((item) => item.kind)).toEqual(["user", "assistant"]);
        after.server.greet();
        expect(after.server.said.at(-1)).toEqual({ type: "send", client_msg_id: "id1", text: "Hi" });
    });

    it("a stop before the ack is sent with it", () => {
        const { server, client } = setUp();
        const store = client.open(null);
        server.greet();
        client.send(store, "Hi");
        client.stop(store);
        expect(server.said.some((frame) => frame.type === "stop")).toBe(false);
        server.say(ack("id1"));
        expect(server.said.at(-1)).toEqual({ type: "stop", generation: "g1" });
    });

    it("a stop while the line is down takes back what never went out", () => {
        const { client } = setUp();
        const store = client.open(null);
        client.send(store, "Hi");
        client.stop(store);
        expect(store.get().items).toEqual([]);
        expect(store.get().failure?.text).toBe("Hi");
    });

    it("a stop that was asked for while the line was down goes out after the reconnect", () => {
        const { server, client } = setUp();
        const store = client.open(CONVERSATION);
        server.greet();
        server.say(snapshot([userMessage, running("One", 2)]));
        server.drop();
        client.stop(store);
        vi.advanceTimersByTime(5000);
        server.greet();
        expect(server.said.at(-1)).toEqual({ type: "stop", generation: "g1" });
    });

    it("a refused message goes back to the composer", () => {
        const { server, client } = setUp();
        const store = client.open(null);
        server.greet();
        client.send(store, "Hi");
        server.say({
            type: "error",
            code: "queue_full",
            text: "try later",
            about: { type: "send", client_msg_id: "id1" },
        });
        expect(store.get().status).toBe("new");
        expect(store.get().failure).toEqual({ text: "Hi", error: "try later" });
    });

    it("an unknown conversation is shown as missing, not as an error", () => {
        const { server, client, errors } = setUp();
        const store = client.open(CONVERSATION);
        server.greet();
        server.say({
            type: "error",
            code: "not_found",
            text: "no",
            about: { type: "watch", conversation: CONVERSATION },
        });
        expect(store.get().status).toBe("missing");
        expect(errors).toEqual([]);
    });

    it("[N41] leaves a conversation whose answer runs, too, and catches up when it is opened again", () => {
        const { server, client } = setUp();
        const store = client.open(CONVERSATION);
        server.greet();
        server.say(snapshot([userMessage, running("One", 2)]));
        client.open(null);
        expect(server.said.at(-1)).toEqual({ type: "unwatch", conversation: CONVERSATION });
        expect(client.open(CONVERSATION)).toBe(store);
        expect(server.said.at(-1)).toMatchObject({ type: "watch", cursor: { after_seq: 2 } });
        server.say({ type: "resumed", conversation: CONVERSATION });
        server.say(token(3, " two"));
        server.say({ type: "end", ...of, seq: 4, reason: "stop", usage: null, timings: null });
        expect(client.messageText("a1")).toBe("One two");
        expect(store.get().turn).toBeNull();
    });

    it("[N6] [N41] what is sent for a conversation that was left is not watched either", () => {
        const { server, client } = setUp();
        client.send(client.open(CONVERSATION), "Hi");
        client.open(null);
        server.greet();
        expect(server.said.at(-1)).toMatchObject({ type: "send", client_msg_id: "id1" });
        server.say(ack("id1"));
        expect(server.said.at(-1)).toEqual({ type: "unwatch", conversation: CONVERSATION });
    });

    it("a deleted conversation is gone from the list and from the screen", () => {
        const { server, client } = setUp();
        const store = client.open(CONVERSATION);
        server.greet();
        server.say(snapshot([userMessage]));
        const event = {
            type: "conversation",
            conversation: CONVERSATION,
            title: "T",
            timestamp: "2026-11-22T21:05:10.123Z",
            updated: "2026-11-22T21:05:10.123Z",
            running: false,
        };
        server.say({ ...event, event: "created" });
        expect(client.list.get().items).toHaveLength(1);
        server.say({ ...event, event: "deleted" });
        expect(client.list.get().items).toHaveLength(0);
        expect(store.get().status).toBe("missing");
    });

    it("gives tests the source text of an answer", () => {
        const { server, client } = setUp();
        client.open(CONVERSATION);
        server.greet();
        server.say(snapshot([userMessage, running("**One**", 2)]));
        expect(client.textOf("g1")).toBe("**One**");
        expect(client.textOf("g2")).toBeNull();
    });
});

describe("a client whose answer was interrupted", () => {
    const ended = (reason: string) => {
        const message = running("One", 3);
        return { ...message, generation: { ...message.generation, ended: true, reason } };
    };
    const goesOn = (continues: string, generation: string) => {
        const message = running("", 1);
        return {
            type: "start",
            conversation: CONVERSATION,
            generation,
            continues,
            seq: 1,
            message: { ...message, generation: { ...message.generation, id: generation, continues } },
        };
    };
    const interrupted = { type: "end", ...of, seq: 3, reason: "interrupted", continued_by: "g2" };
    const more = (seq: number, text: string) => ({ ...token(seq, text), generation: "g2" });

    it("reads on over a kill -9 from its cursor, in the same message (P5)", () => {
        const { server, client } = setUp();
        const store = client.open(CONVERSATION);
        server.greet();
        server.say(snapshot([userMessage, running("One", 2)]));
        server.drop();
        vi.advanceTimersByTime(5000);
        server.greet();
        server.say({ type: "resumed", conversation: CONVERSATION });
        for (const frame of [interrupted, goesOn("g1", "g2"), more(2, " two")]) server.say(frame);
        expect(store.get().items).toHaveLength(2);
        expect(store.get().turn?.text).toBe("One two");
        expect(client.textOf("g1")).toBe("One");
        expect(client.textOf("g2")).toBe(" two");
        expect(client.messageText("a1")).toBe("One two");
        expect(client.messageText("a9")).toBeNull();
    });

    it("asks for more once, however often the line is cut [N13]", () => {
        const { server, client } = setUp();
        const store = client.open(CONVERSATION);
        server.greet();
        server.say(snapshot([userMessage, ended("interrupted")]));
        client.goOn(store);
        client.goOn(store);
        const asked = { type: "continue", client_msg_id: "id1", generation: "g1" };
        const asks = () => server.said.filter((frame) => frame.type === "continue");
        expect(asks()).toEqual([asked]);
        server.drop();
        vi.advanceTimersByTime(5000);
        server.greet();
        expect(asks()).toEqual([asked]);
        server.say({ type: "resumed", conversation: CONVERSATION });
        server.say({ ...ack("id1", true), generation: "g2", message: "a1" });
        expect(server.said.at(-1)).toMatchObject({
            type: "watch",
            cursor: { generation: "g1", after_seq: 3 },
        });
        server.say(goesOn("g1", "g2"));
        server.say(more(2, " two"));
        expect(store.get().turn?.text).toBe("One two");
        server.drop();
        vi.advanceTimersByTime(5000);
        server.greet();
        expect(asks()).toEqual([]);
    });

    it("what was asked for is asked for again after a reload of the page", () => {
        const before = setUp();
        const store = before.client.open(CONVERSATION);
        before.server.greet();
        before.server.say(snapshot([userMessage, ended("cancelled")]));
        before.client.goOn(store);
        const after = setUp();
        expect(after.client.open(CONVERSATION).get().items).toEqual([]);
        after.server.greet();
        expect(after.server.said.at(-1)).toEqual({
            type: "continue",
            client_msg_id: "id1",
            generation: "g1",
        });
    });

    it("says why an answer does not go on, and leaves it as it was", () => {
        const { server, client, errors } = setUp();
        const store = client.open(CONVERSATION);
        server.greet();
        server.say(snapshot([userMessage, ended("length")]));
        client.goOn(store);
        expect(store.get().turn).not.toBeNull();
        server.say({
            type: "error",
            code: "conflict",
            text: "answered already",
            about: { type: "continue", client_msg_id: "id1" },
        });
        expect(store.get().turn).toBeNull();
        expect(errors).toEqual(["The answer does not go on: answered already"]);
    });

    it("a stop that came before the crash reaches what goes on", () => {
        const { server, client } = setUp();
        const store = client.open(CONVERSATION);
        server.greet();
        server.say(snapshot([userMessage, running("One", 2)]));
        client.stop(store);
        expect(server.said.at(-1)).toEqual({ type: "stop", generation: "g1" });
        server.say(interrupted);
        expect(server.said.at(-1)).toEqual({ type: "stop", generation: "g2" });
    });

    it("a stop of what was asked for while the line is down takes the wish back", () => {
        const { server, client, errors } = setUp();
        const store = client.open(CONVERSATION);
        server.greet();
        server.say(snapshot([userMessage, ended("cancelled")]));
        server.drop();
        client.goOn(store);
        client.stop(store);
        expect(store.get().turn).toBeNull();
        vi.advanceTimersByTime(5000);
        server.greet();
        expect(server.said.some((frame) => frame.type === "continue")).toBe(false);
        expect(errors).toEqual([]);
    });
});

describe("a client whose messages wait [N14]", () => {
    const refusal = (id: string) => ({
        type: "error",
        code: "queue_full",
        text: "16 messages wait already",
        about: { type: "send", client_msg_id: id, conversation: CONVERSATION },
    });
    const list = (...ids: string[]) => ({
        type: "queue",
        conversation: CONVERSATION,
        messages: ids.map((id) => ({ id: `u${id}`, content: `M${id}`, timestamp: "", generation: `g${id}` })),
    });
    const busy = () => {
        const all = setUp();
        const store = all.client.open(CONVERSATION);
        all.server.greet();
        all.server.say(snapshot([userMessage, running("One", 2)]));
        return { ...all, store };
    };

    it("says what is being typed, in a conversation and before there is one [N16]", () => {
        const { server, client } = setUp();
        client.draft(client.open(null), "not yet");
        server.greet();
        client.draft(client.open(null), "Hel");
        client.draft(client.open(CONVERSATION), "Lo");
        expect(server.said.filter(({ type }) => type === "draft")).toEqual([
            { type: "draft", text: "Hel" },
            { type: "draft", conversation: CONVERSATION, text: "Lo" },
        ]);
    });

    it("knows from the settings whether a message may wait", async () => {
        const { server, client } = setUp({ when_busy: "queue" });
        server.greet();
        await vi.advanceTimersByTimeAsync(0);
        expect(client.isQueueing.get()).toBe(true);
        client.configured({ when_busy: "refuse" });
        expect(client.isQueueing.get()).toBe(false);
    });

    it("a full queue gives the text back and says so", () => {
        const { server, client, store } = busy();
        client.send(store, "Two");
        server.say(refusal("id1"));
        expect(store.get().waiting).toEqual([]);
        expect(store.get().failure).toEqual({ text: "Two", error: "16 messages wait already" });
        expect(store.get().turn?.generation).toBe("g1");
    });

    it("cancels one that waits, and not the answer that runs", () => {
        const { server, client, store } = busy();
        server.say(list("2", "3"));
        client.cancelWaiting(store, "u2");
        expect(server.said.at(-1)).toEqual({ type: "stop", generation: "g2" });
        expect(store.get().waiting.map((entry) => entry.isCancelled)).toEqual([true, false]);
        server.say(list("3"));
        expect(store.get().waiting.map((entry) => entry.id)).toEqual(["u3"]);
        expect(store.get().turn?.isStopping).toBe(false);
    });

    it("a cancel before the ack goes out with it", () => {
        const { server, client, store } = busy();
        client.send(store, "M2");
        client.cancelWaiting(store, "id1");
        expect(server.said.some((frame) => frame.type === "stop")).toBe(false);
        server.say({ ...ack("id1"), message: "u2", generation: "g2" });
        expect(server.said.at(-1)).toEqual({ type: "stop", generation: "g2" });
    });

    it("a cancel while the line is down takes back what never went out, else goes out later", () => {
        const { server, client, store } = busy();
        server.say(list("2"));
        server.drop();
        client.send(store, "Never sent");
        client.cancelWaiting(store, "id1");
        client.cancelWaiting(store, "u2");
        expect(store.get().failure).toEqual({ text: "Never sent", error: "" });
        vi.advanceTimersByTime(5000);
        server.greet();
        expect(server.said.at(-1)).toEqual({ type: "stop", generation: "g2" });
        expect(server.said.some((frame) => frame.type === "send")).toBe(false);
    });

    it("stop stops the answer, not what waits unsent behind it", () => {
        const { server, client, store } = busy();
        server.drop();
        client.send(store, "Two");
        client.stop(store);
        expect(store.get().waiting).toHaveLength(1);
        expect(store.get().turn?.isStopping).toBe(true);
    });

    it("what follows the first message of a new conversation goes where that one went", () => {
        const { server, client } = setUp();
        const store = client.open(null);
        server.greet();
        client.send(store, "One");
        client.send(store, "Two");
        const sends = () => server.said.filter((frame) => frame.type === "send");
        expect(sends()).toHaveLength(1);
        server.say(ack("id1"));
        expect(sends().at(-1)).toEqual({
            type: "send",
            client_msg_id: "id2",
            text: "Two",
            conversation: CONVERSATION,
        });
    });
});

describe("a client whose server has trouble with its disk [N15]", () => {
    it("says so until it is fine again", () => {
        const { server, client } = setUp();
        server.greet();
        expect(client.storage.get().state).toBe("fine");
        server.say({ type: "storage", state: "full", text: "no space" });
        expect(client.storage.get()).toEqual({ state: "full", text: "no space" });
        server.say({ type: "storage", state: "fine", text: "" });
        expect(client.storage.get().state).toBe("fine");
    });

    it("a server that greets without saying so is fine", () => {
        const { server, client } = setUp();
        server.greet();
        server.say({ type: "storage", state: "failing", text: "" });
        server.drop();
        expect(client.storage.get().state).toBe("failing");
        vi.advanceTimersByTime(5000);
        server.greet();
        expect(client.storage.get().state).toBe("fine");
    });
});

describe("branches, and what a conversation has of its own", () => {
    const time = "2026-11-22T21:05:10.123Z";
    const question = { id: "u1", parent: null, role: "user", content: "one", timestamp: time };
    const generation = { id: "g1", seq: 3, ended: true, reason: "stop" };
    const reply = { id: "a1", parent: "u1", role: "assistant", content: "One", timestamp: time, generation };
    const whole = { type: "snapshot", conversation: CONVERSATION, epoch: "e1", title: "T", current: "a1" };

    function opened() {
        const all = setUp();
        const store = all.client.open(CONVERSATION);
        all.server.greet();
        all.server.say({ ...whole, messages: [question, reply] });
        return { ...all, store };
    }

    it("[N21] [N22] [N23] an edit, another answer and another branch are asked for, and sent again with the same id", () => {
        const { server, client, store, errors } = opened();
        client.edit(store, "u1", "other");
        expect(server.said.at(-1)).toEqual({
            type: "edit",
            client_msg_id: "id1",
            conversation: CONVERSATION,
            message: "u1",
            text: "other",
        });
        server.say({ type: "error", code: "busy", text: "no", about: { client_msg_id: "id1" } });
        expect(store.get().failure).toEqual({ text: "other", error: "no" });
        client.regenerate(store, "a1");
        const asked = { type: "regenerate", client_msg_id: "id2", conversation: CONVERSATION, message: "a1" };
        expect(server.said.at(-1)).toEqual(asked);
        server.say({ type: "error", code: "busy", text: "no", about: { client_msg_id: "id2" } });
        expect(errors).toEqual(["There is no other answer: no"]);
        expect(store.get().path).toHaveLength(2);
        client.select(store, "a1");
        expect(server.said.at(-1)).toEqual({ type: "select", conversation: CONVERSATION, message: "a1" });
    });

    it("[N27] what a new conversation has of its own goes with its first message", async () => {
        const { server, client } = setUp();
        const store = client.open(null);
        server.greet();
        store.setTemporary(true);
        await client.changeOwn(store, { model: "m.gguf", settings: { temperature: 0 } });
        client.send(store, "Hi");
        expect(server.said.at(-1)).toMatchObject({
            type: "send",
            temporary: true,
            own: { model: "m.gguf", settings: { temperature: 0 } },
        });
    });

    it("[W50] what is taken away is said by null", async () => {
        const { client, store } = opened();
        const change = vi.fn(async () => {});
        client.rest.change = change;
        store.setOwn({ model: null, settings: { temperature: 0, top_k: 3 } });
        await client.changeOwn(store, { model: "m", settings: { top_k: 3 } });
        expect(change).toHaveBeenCalledWith(CONVERSATION, {
            model: "m",
            settings: { temperature: null, top_k: 3 },
        });
    });

    const told = (fields: object) => ({
        type: "conversation",
        event: "changed",
        conversation: CONVERSATION,
        title: "T",
        running: false,
        pinned: false,
        ...fields,
    });

    it("[W50] another model of its own, from another screen, is known here too", () => {
        const { server, store } = opened();
        store.setOwn({ model: null, settings: { top_k: 3 } });
        server.say(told({ model: "other.gguf" }));
        expect(store.get().own).toEqual({ model: "other.gguf", settings: { top_k: 3 } });
    });

    it("[N41] what is seen is not unread any more, here at once and by the server everywhere", () => {
        const { server, client } = opened();
        server.say(told({ unread: true }));
        expect(client.list.get().items[0]?.unread).toBe(true);
        client.seen(CONVERSATION);
        expect(server.said.at(-1)).toEqual({ type: "seen", conversation: CONVERSATION });
        expect(client.list.get().items[0]?.unread).toBe(false);
        server.say(told({}));
        expect(client.list.get().items[0]?.unread).toBe(false);
    });
});
