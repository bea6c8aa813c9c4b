import { describe, expect, it } from "vitest";
import { ConversationStore } from "./conversationStore";
import type { Item } from "./items";
import {
    answer,
    CONVERSATION,
    end,
    ending,
    goesOn,
    interrupted,
    ManualTime,
    message,
    phase,
    queue,
    queued,
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

describe("an answer that goes on", () => {
    const running = () => {
        const store = setUp();
        store.apply(snapshot([message("u1", "user", "Hi")]));
        store.apply(start());
        store.apply(tokens(2, "One"));
        return store;
    };

    it("is one message, one item and one turn over the crash [N12]", () => {
        const store = running();
        const { items, turn } = store.get();
        store.apply(interrupted(3, "g1", "g2"));
        expect(store.get().turn).toBe(turn);
        expect(store.cursor()).toEqual({ generation: "g1", epoch: "e1", after_seq: 3 });
        store.apply(goesOn("g1", "g2"));
        store.apply(tokens(2, " two", 1, "g2"));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One two"]);
        expect(store.get().items.map((item) => item.key)).toEqual(items.map((item) => item.key));
        expect(store.get().turn).toBe(turn);
        expect(store.cursor()).toEqual({ generation: "g2", epoch: "e1", after_seq: 2 });
        store.apply(end(3, "stop", "g2"));
        expect(store.get().turn).toBeNull();
    });

    it("frames of the generation before are known, and ask nothing", () => {
        const store = running();
        store.apply(interrupted(3, "g1", "g2"));
        store.apply(goesOn("g1", "g2"));
        expect(store.apply(tokens(2, "One"))).toBe("applied");
        expect(store.apply(interrupted(3, "g1", "g2"))).toBe("applied");
        expect(store.apply(start())).toBe("applied");
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One"]);
    });

    it("asks when the end of the one before was missed", () => {
        expect(running().apply(goesOn("g1", "g2"))).toBe("ask");
    });

    it("asks when it does not know what goes on", () => {
        const store = setUp();
        store.apply(snapshot([]));
        expect(store.apply(goesOn("g8", "g9"))).toBe("ask");
    });

    it("goes on in the item of a snapshot, in another tab", () => {
        const store = setUp();
        store.apply(
            snapshot([message("u1", "user", "Hi"), answer("a1", "One", "g1", 3, ending("interrupted"))]),
        );
        const key = store.get().items[1]?.key;
        store.apply(goesOn("g1", "g2"));
        store.apply(tokens(2, " two", 1, "g2"));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One two"]);
        expect(store.get().items[1]?.key).toBe(key);
        expect(store.get().turn?.text).toBe("One two");
    });

    it("a reload between the generations finds it running", () => {
        const store = setUp();
        store.apply(snapshot([message("u1", "user", "Hi"), answer("a1", "One", "g2", 1, null, "g1")]));
        expect(store.get().turn?.get().seam).toBe("unknown");
        expect(store.cursor()).toEqual({ generation: "g2", epoch: "e1", after_seq: 1 });
        expect(store.apply(interrupted(3, "g1", "g2"))).toBe("applied");
        store.apply(tokens(2, " two", 1, "g2"));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One two"]);
    });

    it("goes on at its reader's wish, also what came with a snapshot", () => {
        const store = setUp();
        store.apply(snapshot([message("u1", "user", "Hi"), answer("a1", "One", "g1", 3, ending("length"))]));
        expect(store.requestMore()).toBe("g1");
        expect(store.get().turn?.get()).toMatchObject({ status: "sending", seam: "length" });
        expect(store.requestMore()).toBeNull();
        store.acceptMore("g1", "g2");
        expect(store.get().turn?.running).toBe("g2");
        store.apply(goesOn("g1", "g2"));
        store.apply(tokens(2, " two", 1, "g2"));
        store.apply(end(3, "stop", "g2"));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One two"]);
    });

    it("a refusal leaves the answer as it ended", () => {
        const store = setUp();
        store.apply(snapshot([answer("a1", "One", "g1", 3, ending("cancelled"))]));
        store.requestMore();
        store.refuseMore("g1");
        expect(store.get().turn).toBeNull();
        expect(store.requestMore()).toBe("g1");
    });

    it("there is nothing to go on with behind a message without an answer", () => {
        const store = setUp();
        store.apply(snapshot([message("u1", "user", "Hi")]));
        expect(store.requestMore()).toBeNull();
    });
});

describe("messages that wait [N14]", () => {
    const running = () => {
        const store = setUp();
        store.apply(snapshot([message("u1", "user", "Hi"), answer("a1", "One", "g1", 2, null)]));
        return store;
    };
    const waits = (store: ConversationStore) =>
        store.get().waiting.map(({ key, id, content, generation }) => [key, id, content, generation]);

    it("what is sent while an answer runs waits behind it, and takes its turn", () => {
        const store = running();
        store.addOutgoing("c2", "Two");
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One"]);
        expect(waits(store)).toEqual([["c2", null, "Two", null]]);
        store.accept("c2", ack("g2", "u2"), "e1");
        store.apply(queue(queued("u2", "Two", "g2")));
        expect(waits(store)).toEqual([["c2", "u2", "Two", "g2"]]);
        store.apply(end(3));
        store.apply(queue());
        store.apply(userFrame("u2", "Two"));
        store.apply(start("g2", "a2"));
        store.apply(tokens(2, "Second", 1, "g2"));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One", "U:Two", "A:Second"]);
        expect(waits(store)).toEqual([]);
        store.apply(end(3, "stop", "g2"));
        expect(store.get().turn).toBeNull();
    });

    it("takes its turn also when the message comes before the list changes", () => {
        const store = running();
        store.apply(queue(queued("u2", "Two", "g2"), queued("u3", "Three", "g3")));
        store.apply(end(3));
        store.apply(userFrame("u2", "Two"));
        expect(store.get().turn?.generation).toBe("g2");
        expect(waits(store)).toEqual([["u3", "u3", "Three", "g3"]]);
        store.apply(start("g2", "a2"));
        store.apply(queue(queued("u3", "Three", "g3")));
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One", "U:Two", "A:"]);
    });

    it("the server's list is the truth about what it has, and keeps what is on its way", () => {
        const store = running();
        store.apply(queue(queued("u2", "Two", "g2"), queued("u3", "Three", "g3")));
        store.addOutgoing("c4", "Four");
        store.apply(queue(queued("u3", "Three", "g3")));
        expect(waits(store)).toEqual([
            ["u3", "u3", "Three", "g3"],
            ["c4", null, "Four", null],
        ]);
    });

    it("one's own message in the list before its ack is shown once", () => {
        const store = running();
        store.addOutgoing("c2", "Two");
        store.apply(queue(queued("u2", "Two", "g2")));
        expect(waits(store)).toEqual([["c2", "u2", "Two", "g2"]]);
        store.accept("c2", ack("g2", "u2"), "e1");
        expect(waits(store)).toEqual([["c2", "u2", "Two", "g2"]]);
    });

    it("two equal messages are two", () => {
        const store = running();
        store.addOutgoing("c2", "Again");
        store.addOutgoing("c3", "Again");
        store.accept("c2", ack("g2", "u2"), "e1");
        store.apply(queue(queued("u2", "Again", "g2"), queued("u3", "Again", "g3")));
        store.accept("c3", ack("g3", "u3"), "e1");
        expect(waits(store)).toEqual([
            ["c2", "u2", "Again", "g2"],
            ["c3", "u3", "Again", "g3"],
        ]);
    });

    it("a message that another tab overtook waits behind that one's answer", () => {
        const store = setUp();
        store.apply(snapshot([]));
        store.addOutgoing("c2", "Mine");
        store.apply(userFrame("u1", "Theirs"));
        store.apply(start("g1", "a1"));
        expect(words(store.get().items)).toEqual(["U:Theirs", "A:"]);
        expect(waits(store)).toEqual([["c2", null, "Mine", null]]);
        store.accept("c2", ack("g2", "u2"), "e1");
        store.apply(tokens(2, "One"));
        store.apply(end(3));
        store.apply(userFrame("u2", "Mine"));
        store.apply(start("g2", "a2"));
        expect(words(store.get().items)).toEqual(["U:Theirs", "A:One", "U:Mine", "A:"]);
    });

    it("the list takes a message out of the conversation that has to wait", () => {
        const store = setUp();
        store.apply(snapshot([]));
        store.addOutgoing("c2", "Mine");
        store.accept("c2", ack("g2", "u2"), "e1");
        store.apply(queue(queued("u2", "Mine", "g2")));
        expect(words(store.get().items)).toEqual([]);
        expect(store.get().turn).toBeNull();
        expect(waits(store)).toEqual([["c2", "u2", "Mine", "g2"]]);
    });

    it("a refused one goes back to the composer, and nothing else moves", () => {
        const store = running();
        store.addOutgoing("c2", "Two");
        store.takeBack("c2", { text: "Two", error: "the queue is full" });
        expect(waits(store)).toEqual([]);
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One"]);
        expect(store.get().turn?.generation).toBe("g1");
        expect(store.get().failure?.text).toBe("Two");
    });

    it("a snapshot with what waited, answered meanwhile, shows it once", () => {
        const store = running();
        store.apply(queue(queued("u2", "Two", "g2")));
        store.apply(
            snapshot([
                message("u1", "user", "Hi"),
                answer("a1", "One", "g1", 3, ending()),
                message("u2", "user", "Two"),
                answer("a2", "Yes", "g2", 2, null),
            ]),
        );
        expect(waits(store)).toEqual([]);
        expect(words(store.get().items)).toEqual(["U:Hi", "A:One", "U:Two", "A:Yes"]);
    });

    it("what is not acknowledged waits behind the running answer of a snapshot", () => {
        const store = setUp();
        store.apply(snapshot([]));
        store.addOutgoing("c2", "Mine");
        store.apply(snapshot([message("u1", "user", "Theirs"), answer("a1", "One", "g1", 2, null)]));
        expect(words(store.get().items)).toEqual(["U:Theirs", "A:One"]);
        expect(store.get().turn?.generation).toBe("g1");
        expect(waits(store)).toEqual([["c2", null, "Mine", null]]);
    });
});
