// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import type { ConversationSummary } from "../../protocol/rest";
import { ConversationItem } from "./ConversationItem";
import { GroupSection } from "./GroupSection";

const row: ConversationSummary = {
    id: "c1",
    title: "Rivers",
    timestamp: "2026-11-27T10:00:00.000Z",
    updated: "2026-11-27T10:00:00.000Z",
    running: false,
    snippet: null,
    pinned: false,
    folder: "Work",
    archived: false,
    temporary: false,
    model: null,
    unread: false,
};

afterEach(cleanup);

it.each([
    [{ unread: true }, false, true],
    [{ unread: true }, true, false],
    [{ unread: true, running: true }, false, false],
    [{ unread: false }, false, false],
])("[N41] %j, open: %s: has the mark: %s", (fields, isOpen, isMarked) => {
    render(
        <ConversationItem
            item={{ ...row, ...fields }}
            view="usual"
            isOpen={isOpen}
            isChosen={null}
            actions={{ rename: vi.fn(), pin: vi.fn(), renameFolder: vi.fn(), all: vi.fn() }}
            onOpen={vi.fn()}
            onChoose={vi.fn()}
            onMove={vi.fn()}
        />,
    );
    expect(screen.queryByLabelText("not read yet") !== null).toBe(isMarked);
});

it("[W55] a folder is renamed in its place; Esc and the same name change nothing", () => {
    const rename = vi.fn();
    const group = { kind: "folder" as const, label: "Work", items: [row] };
    render(
        <GroupSection group={group} onRename={rename}>
            <li>Rivers</li>
        </GroupSection>,
    );
    const write = (text: string, key: string) => {
        fireEvent.click(screen.getByLabelText("Rename the folder “Work”"));
        const box = screen.getByLabelText("Name of the folder");
        fireEvent.change(box, { target: { value: text } });
        fireEvent.keyDown(box, { key });
    };
    write("Home", "Escape");
    write(" Work ", "Enter");
    expect(rename).not.toHaveBeenCalled();
    write("Home", "Enter");
    expect(rename.mock.calls).toEqual([["Work", "Home"]]);
    expect(screen.queryByLabelText("Name of the folder")).toBeNull();
});
