import { expect, it } from "vitest";
import { parseTime } from "../../chat/times";
import { groupByDate } from "./groupByDate";

const now = new Date(2026, 10, 22, 15, 0);
const item = (id: string, time: Date) => ({
    id,
    title: id,
    timestamp: time.toISOString(),
    updated: time.toISOString(),
    running: false,
    snippet: null,
    pinned: false,
    folder: null,
    archived: false,
    temporary: false,
    model: null,
    unread: false,
});

it("groups by the reader's own days, in the order given", () => {
    const groups = groupByDate(
        [
            item("a", new Date(2026, 10, 22, 0, 1)),
            item("b", new Date(2026, 10, 21, 23, 59)),
            item("c", new Date(2026, 10, 16)),
            item("d", new Date(2026, 10, 2)),
            item("e", new Date(2026, 7, 1)),
            item("f", new Date(2026, 7, 1)),
        ],
        now,
    );
    expect(groups.map((group) => [group.label, group.items.map((entry) => entry.id)])).toEqual([
        ["Today", ["a"]],
        ["Yesterday", ["b"]],
        ["Previous 7 days", ["c"]],
        ["Previous 30 days", ["d"]],
        ["August 2026", ["e", "f"]],
    ]);
});

it("reads the two forms of time that the wire has [W10]", () => {
    expect(parseTime("2026-11-22-21-05-10-123")?.toISOString()).toBe("2026-11-22T21:05:10.123Z");
    expect(parseTime("2026-11-22T21:05:10.123Z")?.toISOString()).toBe("2026-11-22T21:05:10.123Z");
    expect(parseTime("yesterday")).toBeNull();
});
