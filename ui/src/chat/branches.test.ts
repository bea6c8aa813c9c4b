import { describe, expect, it } from "vitest";
import { idOf, pathOf } from "./branches";
import { ConversationStore } from "./conversationStore";
import type { Above, Item } from "./items";
import { answer, CONVERSATION, end, ending, message, snapshot, start, tokens } from "./testFrames";

const user = (id: string, above: Above): Item => ({
    kind: "user",
    key: id,
    id,
    content: id,
    timestamp: "",
    attachments: [],
    above,
});

const words = (items: readonly Item[]) => items.map((item) => idOf(item) ?? item.key);

describe("[N20] pathOf", () => {
    /* 1 → 2 → 3, beside 2: 4 → 5 */
    const items = [user("1", null), user("2", "1"), user("3", "2"), user("4", "1"), user("5", "4")];

    it("goes from the root down to the current one", () => {
        expect(words(pathOf(items, "3").items)).toEqual(["1", "2", "3"]);
        expect(words(pathOf(items, "5").items)).toEqual(["1", "4", "5"]);
    });

    it("is the last one's when the current one is not known", () => {
        expect(words(pathOf(items, null).items)).toEqual(["1", "4", "5"]);
        expect(words(pathOf(items, "gone").items)).toEqual(["1", "4", "5"]);
        expect(pathOf([], null).items).toEqual([]);
    });

    it("knows the siblings of what is shown", () => {
        expect([...pathOf(items, "5").branches]).toEqual([
            ["4", { place: 2, count: 2, before: "2", after: null }],
        ]);
        expect(pathOf([user("1", null), user("2", null)], "1").branches.get("1")?.after).toBe("2");
    });

    it("takes what says nothing of its place for what follows the one before, and what follows a system prompt for a root", () => {
        expect(words(pathOf([user("1", undefined), user("2", undefined)], null).items)).toEqual(["1", "2"]);
        expect(words(pathOf([user("1", "system"), user("2", "1")], null).items)).toEqual(["1", "2"]);
    });
});

/* A server's conversation: two questions with their answers, one below the other. */
function setUp() {
    const store = new ConversationStore(CONVERSATION, { schedule: (run) => run(), now: () => 0 });
    const messages = [
        { ...message("u1", "user", "one"), parent: null },
        { ...answer("a1", "One", "g1", 3, ending()), parent: "u1" },
        { ...message("u2", "user", "two"), parent: "a1" },
        { ...answer("a2", "Two", "g2", 3, ending()), parent: "u2" },
    ];
    store.apply({ ...snapshot(messages), current: "a2" });
    return { store, messages };
}

const shown = (store: ConversationStore) => words(store.get().path);
const at = { conversation: CONVERSATION, message: "b1", generation: "h1" };

describe("branches of a conversation", () => {
    it("[N23] `current` shows another branch and keeps the rest", () => {
        const { store } = setUp();
        store.apply({ type: "current", conversation: CONVERSATION, message: "a1" });
        expect(shown(store)).toEqual(["u1", "a1"]);
        expect(store.get().items).toHaveLength(4);
    });

    it("[N21] an edit is shown at once beside what it takes the place of, and goes on as the server's", () => {
        const { store } = setUp();
        store.setEditing("u2");
        store.addEdit("e1", "u2", "other");
        expect(store.get().editing).toBeNull();
        expect(shown(store)).toEqual(["u1", "a1", "e1", "e1-answer"]);
        store.accept("e1", at, "e1");
        const sent = { ...message("b1", "user", "other"), parent: "a1" };
        store.apply({ type: "message", conversation: CONVERSATION, message: sent });
        const begun = start("h1", "c1");
        store.apply({ ...begun, message: { ...begun.message, parent: "b1" } });
        store.apply(tokens(2, "Other", 1, "h1"));
        store.apply(end(3, "stop", "h1"));
        expect(shown(store)).toEqual(["u1", "a1", "b1", "c1"]);
        expect(store.get().branches.get("e1")).toEqual({ place: 2, count: 2, before: "u2", after: null });
        expect(store.get().turn).toBeNull();
    });

    it("[N21] the first message of a conversation that was begun here has versions too", () => {
        const store = new ConversationStore(null, { schedule: (run) => run(), now: () => 0 });
        store.addOutgoing("s1", "one");
        store.accept("s1", { ...at, message: "u1", generation: "g1" }, "e1");
        const begun = start("g1", "a1");
        store.apply({ ...begun, message: { ...begun.message, parent: "u1" } });
        store.apply(end(2));
        store.addEdit("e1", "u1", "other");
        expect(shown(store)).toEqual(["e1", "e1-answer"]);
        expect(store.get().branches.get("e1")?.before).toBe("u1");
    });

    it("[N22] another answer stands beside the first; one that is refused is gone, and the branch is the one of before", () => {
        const { store } = setUp();
        store.addAnother("r1", "a1");
        expect(shown(store)).toEqual(["u1", "r1-answer"]);
        expect(store.get().turn).not.toBeNull();
        store.takeBack("r1", null);
        expect(shown(store)).toEqual(["u1", "a1", "u2", "a2"]);
        store.addAnother("r2", "a2");
        store.accept("r2", { ...at, message: "c1" }, "e1");
        const begun = start("h1", "c1");
        store.apply({ ...begun, message: { ...begun.message, parent: "u2" } });
        expect(shown(store)).toEqual(["u1", "a1", "u2", "c1"]);
        expect(store.get().branches.get("r2-answer")?.count).toBe(2);
    });

    it("[N6] an answer that came by a snapshot before its ack is there once", () => {
        const { store, messages } = setUp();
        store.addAnother("r1", "a2");
        const another = { ...answer("c1", "More", "h1", 2, null), parent: "u2" };
        store.apply({ ...snapshot([...messages, another]), current: "c1" });
        store.accept("r1", { ...at, message: "c1" }, "e1");
        expect(store.get().items).toHaveLength(5);
        expect(shown(store)).toEqual(["u1", "a1", "u2", "c1"]);
        expect(store.get().turn?.generation).toBe("h1");
    });

    it("a cursor names the answer that was made last, whatever is shown", () => {
        const { store } = setUp();
        store.apply({ type: "current", conversation: CONVERSATION, message: "a1" });
        expect(store.cursor()?.generation).toBe("g2");
    });

    it("what is sent stands below what is shown", () => {
        const { store } = setUp();
        store.apply({ type: "current", conversation: CONVERSATION, message: "a1" });
        store.addOutgoing("s1", "three");
        expect(shown(store)).toEqual(["u1", "a1", "s1", "s1-answer"]);
    });
});
