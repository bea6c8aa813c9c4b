import { describe, expect, it } from "vitest";
import { ConversationStore, type Item } from "./conversationStore";
import {
    answer,
    CONVERSATION,
    end,
    ending,
    ManualTime,
    message,
    phase,
    snapshot,
    start,
    tokens,
} from "./testFrames";

const setUp = (id: string | null = CONVERSATION) => new ConversationStore(id, new ManualTime());
const ack = (generation = "g1", id = "u1") => ({ conversation: CONVERSATION, message: id, generation });
const words = (items: readonly Item[]) =>
    items.map((item) =>
        item.kind === "assistant"
            ? `A:${item.turn ? item.turn.text : item.message?.content}`
            : `U:${item.content}`,
    );
const userFrame = (id: string, text: string) =>
    ({ type: "message", conversation: CONVERSATION, message: message(id, "user", text) }) as const;

describe("ConversationStore", () => {
    it("shows a snapshot, and leaves the system prompt out", () => {
        const store = setUp();
        store.apply(
            snapshot([
                message("s", "system", "Be good"),
                message("u1", "user", "Hi"),
                answer("a1", "Yo", "g1", 4, ending()),
            ]),
        );
        expect(words(store.get().items)).toEqual(["U:Hi", "A:Yo"]);
        expect(store.get().turn).toBeNull();
        expect(store.get().tokensUsed).toBe(9);
    });

    it("goes on with a running answer of a snapshot at seq + 1 [N3]", () => {
        const store = setUp();
        store.apply(snapshot([message("u1", "user", "Hi"), answer("a1", "One", "g1", 2, null)]));
        expect(store.apply(tokens(3, " two"))).toBe("applied");
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One two"]);
        store.apply(end(4));
        expect(store.get().turn).toBeNull();
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One two"]);
    });

    it("asks again after a hole, once, until it is answered", () => {
        const store = setUp();
        store.apply(snapshot([answer("a1", "One", "g1", 2, null)]));
        expect(store.apply(tokens(5, "x"))).toBe("ask");
        expect(store.apply(tokens(6, "y"))).toBe("applied");
        expect(store.cursor()).toEqual({ generation: "g1", epoch: "e1", after_seq: 2 });
        store.apply({ type: "resumed", conversation: CONVERSATION });
        store.apply(tokens(3, "345", 3));
        expect(words(store.get().items)).toEqual(["A:One345"]);
        expect(store.apply(tokens(9, "z"))).toBe("ask");
    });

    it("asks when tokens of an unknown generation come", () => {
        const store = setUp();
        store.apply(snapshot([]));
        expect(store.apply(tokens(7, "x", 1, "g9"))).toBe("ask");
    });

    it("late frames of an ended generation change nothing and ask nothing", () => {
        const store = setUp();
        store.apply(snapshot([answer("a1", "One", "g1", 3, ending())]));
        expect(store.apply(tokens(2, "One"))).toBe("applied");
        expect(store.apply(end(3))).toBe("applied");
        expect(store.apply(start())).toBe("applied");
        expect(words(store.get().items)).toEqual(["A:One"]);
    });

    it("shows one's own message at once, and once only when it comes back", () => {
        const store = setUp();
        store.apply(snapshot([]));
        store.addOutgoing("c1", "Hi");
        expect(words(store.get().items)).toEqual(["U:Hi", "A:"]);
        const keys = store.get().items.map((item) => item.key);
        store.accept("c1", ack(), "e1");
        store.apply(userFrame("u1", "Hi"));
        store.apply(start());
        store.apply(tokens(2, "Yo"));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:Yo"]);
        expect(store.get().items.map((item) => item.key)).toEqual(keys);
    });

    it("copes with the message, the phase and the start before the ack", () => {
        const store = setUp();
        store.apply(snapshot([]));
        store.addOutgoing("c1", "Hi");
        store.apply(userFrame("u1", "Hi"));
        store.apply(phase({ phase: "queued", position: 1 }));
        store.apply(start());
        store.accept("c1", ack(), "e1");
        store.apply(tokens(2, "Yo"));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:Yo"]);
        expect(store.get().turn?.get().status).toBe("streaming");
    });

    it("a new conversation gets its id with the ack, and a cursor from then on", () => {
        const store = setUp(null);
        expect(store.get().status).toBe("new");
        store.addOutgoing("c1", "Hi");
        store.accept("c1", ack(), "e7");
        expect(store.id).toBe(CONVERSATION);
        expect(store.cursor()).toBeNull();
        store.apply(start());
        expect(store.cursor()).toEqual({ generation: "g1", epoch: "e7", after_seq: 1 });
    });

    it("a message that was refused is taken away and its text is kept for the composer", () => {
        const store = setUp();
        store.apply(snapshot([message("u0", "user", "before")]));
        store.addOutgoing("c1", "Hi");
        store.takeBack("c1", { text: "Hi", error: "busy" });
        expect(words(store.get().items)).toEqual(["U:before"]);
        expect(store.get().turn).toBeNull();
        expect(store.get().failure).toEqual({ text: "Hi", error: "busy" });
    });

    it("a snapshot keeps what is not acknowledged yet", () => {
        const store = setUp();
        store.apply(snapshot([]));
        store.addOutgoing("c1", "Hi");
        store.apply(snapshot([message("u0", "user", "from elsewhere")]));
        expect(words(store.get().items)).toEqual(["U:from elsewhere", "U:Hi", "A:"]);
        expect(store.get().turn).not.toBeNull();
    });

    it("a snapshot that holds the message whose ack was lost shows it once (P10)", () => {
        const store = setUp();
        store.apply(snapshot([]));
        store.addOutgoing("c1", "Hi");
        store.apply(snapshot([message("u1", "user", "Hi"), answer("a1", "Yo", "g1", 2, null)]));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:Yo"]);
        store.accept("c1", ack(), "e1");
        expect(words(store.get().items)).toEqual(["U:Hi", "A:Yo"]);
        store.apply(tokens(3, "!"));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:Yo!"]);
    });

    it("a snapshot between ack and start keeps the waiting answer", () => {
        const store = setUp();
        store.apply(snapshot([]));
        store.addOutgoing("c1", "Hi");
        store.accept("c1", ack(), "e1");
        store.apply(snapshot([message("u1", "user", "Hi")]));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:"]);
        store.apply(start());
        store.apply(tokens(2, "Yo"));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:Yo"]);
    });

    it("a reset and its snapshot replace everything (P3)", () => {
        const store = setUp();
        store.apply(snapshot([message("u1", "user", "Hi"), answer("a1", "One", "g1", 2, null)]));
        store.apply({ type: "reset", conversation: CONVERSATION, reason: "epoch" });
        expect(store.apply(tokens(9, "x"))).toBe("applied");
        store.apply(snapshot([message("u2", "user", "Other")], "e2"));
        expect(words(store.get().items)).toEqual(["U:Other"]);
        expect(store.get().turn).toBeNull();
        expect(store.cursor()).toBeNull();
    });

    it("another person's turn in the same conversation is shown live", () => {
        const store = setUp();
        store.apply(snapshot([]));
        store.apply(userFrame("u5", "Theirs"));
        store.apply(start("g5", "a5"));
        store.apply(tokens(2, "Answer", 1, "g5"));
        expect(words(store.get().items)).toEqual(["U:Theirs", "A:Answer"]);
        store.apply(end(3, "stop", "g5"));
        expect(store.cursor()).toEqual({ generation: "g5", epoch: "e1", after_seq: 3 });
    });

    it("the context in use is that of the last token when the answer has ended", () => {
        const store = setUp();
        store.apply(snapshot([]));
        store.apply(start());
        store.apply(tokens(2, "x"));
        store.apply(end(3));
        expect(store.get().tokensUsed).toBe(12);
        expect(store.get().maxTokens).toBe(4096);
    });
});
