import { expect, it } from "vitest";
import { groupConversations } from "./groupConversations";

const NOW = new Date("2026-11-27T12:00:00");
const item = (id: string, fields: { pinned?: boolean; folder?: string } = {}) => ({
    id,
    title: id,
    timestamp: "2026-11-27T10:00:00.000Z",
    updated: "2026-11-27T10:00:00.000Z",
    running: false,
    snippet: null,
    pinned: false,
    folder: null,
    archived: false,
    temporary: false,
    model: null,
    unread: false,
    ...fields,
});
const words = (items: ReturnType<typeof item>[]) =>
    groupConversations(items, NOW).map(
        ({ kind, label, items }) => `${kind} ${label}: ${items.map(({ id }) => id)}`,
    );

it("what is pinned comes first, whatever its folder; then folders by name; then the rest by date", () => {
    const items = [
        item("a"),
        item("b", { folder: "work" }),
        item("c", { pinned: true, folder: "work" }),
        item("d", { folder: "home" }),
        item("e", { folder: "work" }),
    ];
    expect(words(items)).toEqual(["pinned Pinned: c", "folder home: d", "folder work: b,e", "date Today: a"]);
});

it("without any of them it is dates alone", () => {
    expect(words([item("a"), item("b")])).toEqual(["date Today: a,b"]);
});
