import { expect, it } from "vitest";
import type { ConversationEvent } from "../protocol/frames";
import type { ConversationSummary, Rest } from "../protocol/rest";
import { ListStore } from "./listStore";

const TIME = "2026-11-22T21:05:10.123Z";
const row = (id: string): ConversationSummary => ({
    id,
    title: id,
    timestamp: TIME,
    updated: TIME,
    running: false,
    snippet: null,
    pinned: false,
    folder: null,
    archived: false,
    temporary: false,
    model: null,
    unread: false,
});
const event = (kind: ConversationEvent["event"], conversation: string): ConversationEvent => ({
    type: "conversation",
    event: kind,
    conversation,
    title: conversation,
    timestamp: TIME,
    updated: TIME,
    running: false,
    marks: null,
});

it("what changes while the list is being read is not lost by the answer", async () => {
    let answer: (rows: ConversationSummary[]) => void = () => {};
    const conversations = () => new Promise<ConversationSummary[]>((resolve) => (answer = resolve));
    const list = new ListStore({ conversations } as unknown as Rest);
    const reading = list.refresh();
    list.apply(event("created", "new"));
    list.apply(event("deleted", "old"));
    answer([row("old"), row("kept")]);
    await reading;
    expect(list.get().items.map((item) => item.id)).toEqual(["new", "kept"]);
    const again = list.refresh();
    answer([row("kept")]);
    await again;
    expect(list.get().items.map((item) => item.id)).toEqual(["kept"]);
});
