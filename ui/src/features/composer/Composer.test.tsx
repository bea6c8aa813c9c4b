// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { ChatClient } from "../../chat/client";
import { ConversationStore } from "../../chat/conversationStore";
import { setPreference } from "../../chat/preferences";
import { Store } from "../../chat/store";
import {
    answer,
    CONVERSATION,
    end,
    ending,
    ManualTime,
    message,
    snapshot,
    start,
    tokens,
} from "../../chat/testFrames";
import type { StorageState } from "../../protocol/frames";
import { ServicesContext } from "../useClient";
import { Composer } from "./Composer";

function setUp(id: string | null = CONVERSATION) {
    const store = new ConversationStore(id, new ManualTime());
    if (id) store.apply(snapshot([]));
    const client = {
        isQueueing: new Store(false),
        storage: new Store<StorageState>({ state: "fine", text: "" }),
        send: vi.fn((conversation: ConversationStore, text: string) => conversation.addOutgoing("c1", text)),
        draft: vi.fn(),
        stop: vi.fn(),
        rest: {
            attach: vi.fn(async (file: Blob, name: string) => ({
                id: name,
                name,
                type: "text/plain",
                sizeBytes: file.size,
                textBytes: file.size,
            })),
        },
    };
    const view = render(
        <ServicesContext value={{ client: client as unknown as ChatClient, navigate: vi.fn() }}>
            <Composer conversation={store} />
        </ServicesContext>,
    );
    const box = screen.getByTestId("composer") as HTMLTextAreaElement;
    const type = (text: string) => fireEvent.change(box, { target: { value: text } });
    return { store, client, view, box, type };
}

beforeEach(() => localStorage.clear());
afterEach(cleanup);

it("Enter sends, Shift+Enter does not", () => {
    const { client, box, type } = setUp();
    type("Hello");
    fireEvent.keyDown(box, { key: "Enter", shiftKey: true });
    expect(client.send).not.toHaveBeenCalled();
    fireEvent.keyDown(box, { key: "Enter" });
    expect(client.send).toHaveBeenCalledWith(expect.anything(), "Hello");
    expect(box.value).toBe("");
});

it("↑ in an empty box edits the last message of what is shown, and moves the caret elsewhere", () => {
    const { store, box, type } = setUp();
    store.apply(snapshot([message("u1", "user", "One"), answer("a1", "1", "g1", 3, ending())]));
    type("x");
    fireEvent.keyDown(box, { key: "ArrowUp" });
    expect(store.get().editing).toBeNull();
    type("");
    fireEvent.keyDown(box, { key: "ArrowUp" });
    expect(store.get().editing).toBe("u1");
});

it("Enter that ends the writing of a character does not send", () => {
    const { client, box, type } = setUp();
    type("に");
    fireEvent.keyDown(box, { key: "Enter", isComposing: true });
    expect(client.send).not.toHaveBeenCalled();
});

it("where Enter is to begin a line, Ctrl with Enter sends", () => {
    setPreference({ enterSends: false });
    const { client, box, type } = setUp();
    type("Hello");
    fireEvent.keyDown(box, { key: "Enter" });
    expect(client.send).not.toHaveBeenCalled();
    fireEvent.keyDown(box, { key: "Enter", ctrlKey: true });
    expect(client.send).toHaveBeenCalledOnce();
    setPreference({ enterSends: true });
});

it("an empty message cannot be sent", () => {
    const { client, box, type } = setUp();
    type("  \n ");
    fireEvent.keyDown(box, { key: "Enter" });
    expect(client.send).not.toHaveBeenCalled();
    expect((screen.getByTestId("send") as HTMLButtonElement).disabled).toBe(true);
});

it("Stop takes the place of Send at once, and gives it back at the end", () => {
    const { store, client, box, type } = setUp();
    type("Hello");
    fireEvent.keyDown(box, { key: "Enter" });
    expect(screen.queryByTestId("send")).toBeNull();
    fireEvent.click(screen.getByTestId("stop"));
    expect(client.stop).toHaveBeenCalledOnce();
    act(() => {
        store.apply(start());
        store.apply(tokens(2, "Yo"));
        store.apply(end(3, "cancelled"));
    });
    expect(screen.queryByTestId("stop")).toBeNull();
    expect(screen.getByTestId("send")).toBeTruthy();
});

it("the next message can be written, not sent, while an answer runs", () => {
    const { client, box, type } = setUp();
    type("One");
    fireEvent.keyDown(box, { key: "Enter" });
    type("Two");
    fireEvent.keyDown(box, { key: "Enter" });
    expect(client.send).toHaveBeenCalledOnce();
    expect(box.value).toBe("Two");
});

it("the draft of a conversation is there again when it is opened again", () => {
    const first = setUp();
    first.type("half a thought");
    first.view.unmount();
    expect(setUp().box.value).toBe("half a thought");
    cleanup();
    expect(setUp("chat_2026-11-22-21-05-10-124.txt").box.value).toBe("");
});

it("a message that was refused comes back into the box with the reason", () => {
    const { store, box, type } = setUp();
    type("Hello");
    fireEvent.keyDown(box, { key: "Enter" });
    act(() => store.takeBack("c1", { text: "Hello", error: "too much is going on" }));
    expect(box.value).toBe("Hello");
    expect(screen.getByRole("alert").textContent).toContain("too much is going on");
});

it("warns when the context is nearly full", () => {
    const { store } = setUp();
    act(() => void store.apply({ ...snapshot([]), tokensUsed: 3900, maxTokens: 4096 }));
    expect(screen.getByTestId("context-meter").dataset.level).toBe("alarm");
    expect(screen.getByText(/95 % full/)).toBeTruthy();
});

it("while messages may wait, Enter sends during an answer, and Stop stays", () => {
    const { store, client, box, type } = setUp();
    act(() => client.isQueueing.set(true));
    type("One");
    fireEvent.keyDown(box, { key: "Enter" });
    expect(screen.getByTestId("stop")).toBeTruthy();
    expect(screen.queryByTestId("send")).toBeNull();
    client.send.mockImplementation((conversation, text) => conversation.addOutgoing("c2", text));
    type("Two");
    expect(screen.getByTestId("stop")).toBeTruthy();
    expect(screen.getByTestId("send")).toBeTruthy();
    fireEvent.keyDown(box, { key: "Enter" });
    expect(box.value).toBe("");
    expect(store.get().waiting.map((entry) => entry.content)).toEqual(["Two"]);
});

it("a message that a full queue refused comes back, before what was begun meanwhile", () => {
    const { store, client, box, type } = setUp();
    act(() => client.isQueueing.set(true));
    type("Seventeenth");
    fireEvent.keyDown(box, { key: "Enter" });
    type("Eighteenth");
    act(() => store.takeBack("c1", { text: "Seventeenth", error: "16 messages wait already" }));
    expect(box.value).toBe("Seventeenth\n\nEighteenth");
    expect(screen.getByRole("alert").textContent).toContain("16 messages wait already");
});

it("with trouble at the disk the text stays and is not sent, until it is fine", () => {
    const { client, box, type } = setUp();
    act(() => client.storage.set({ state: "full", text: "" }));
    type("Hello");
    fireEvent.keyDown(box, { key: "Enter" });
    expect(client.send).not.toHaveBeenCalled();
    expect(box.value).toBe("Hello");
    expect((screen.getByTestId("send") as HTMLButtonElement).disabled).toBe(true);
    act(() => client.storage.set({ state: "fine", text: "" }));
    fireEvent.keyDown(box, { key: "Enter" });
    expect(client.send).toHaveBeenCalledOnce();
});

it("what is typed is told after a pause, what is pasted at once, and nothing once it is sent [N16]", () => {
    vi.useFakeTimers();
    try {
        const { store, client, box, type } = setUp();
        type("Hel");
        act(() => vi.advanceTimersByTime(200));
        type("Hello ");
        act(() => vi.advanceTimersByTime(299));
        expect(client.draft).not.toHaveBeenCalled();
        act(() => vi.advanceTimersByTime(1));
        expect(client.draft).toHaveBeenLastCalledWith(store, "Hello");
        type("Hello");
        act(() => vi.advanceTimersByTime(1000));
        expect(client.draft).toHaveBeenCalledOnce();
        fireEvent.paste(box, { clipboardData: { getData: () => ", a long text", files: [] } });
        type("Hello, a long text");
        act(() => vi.advanceTimersByTime(0));
        expect(client.draft).toHaveBeenLastCalledWith(store, "Hello, a long text");
        type("Hello, a longer text");
        fireEvent.keyDown(box, { key: "Enter" });
        act(() => vi.advanceTimersByTime(1000));
        expect(client.draft).toHaveBeenCalledTimes(2);
        type("No");
        act(() => vi.advanceTimersByTime(300));
        type("");
        act(() => vi.advanceTimersByTime(300));
        expect(client.draft.mock.calls.slice(2).map(([, text]) => text)).toEqual(["No", ""]);
    } finally {
        vi.useRealTimers();
    }
});

/* ---- Files [W64] [N30] ---- */

const paste = (box: HTMLElement, text: string, files: File[] = []) =>
    fireEvent.paste(box, { clipboardData: { getData: () => text, files } });
const settle = () => act(() => new Promise((resolve) => setTimeout(resolve, 20)));
const names = () =>
    screen.queryAllByTestId("draft-file").map((chip) => chip.querySelector(".chip-name")?.textContent);

it("a file goes with the message, and can be taken out before", async () => {
    const { client, box, type } = setUp();
    const files = [new File(["one"], "a.txt"), new File(["two"], "b.txt")];
    fireEvent.change(screen.getByTestId("attach-input"), { target: { files } });
    await settle();
    expect(names()).toEqual(["a.txt", "b.txt"]);
    fireEvent.click(screen.getByLabelText("Remove a.txt"));
    type("What is it?");
    fireEvent.keyDown(box, { key: "Enter" });
    expect(client.send).toHaveBeenCalledWith(expect.anything(), "What is it?", [
        expect.objectContaining({ id: "b.txt" }),
    ]);
    expect(names()).toEqual([]);
});

it("a file alone is a message; one that cannot be read keeps it back", async () => {
    const { client, box } = setUp();
    fireEvent.change(screen.getByTestId("attach-input"), {
        target: { files: [new File(["ok"], "a.txt"), new File(["x"], "cat.png", { type: "image/png" })] },
    });
    await settle();
    expect(screen.getByRole("alert").textContent).toMatch(/can see/);
    expect(client.rest.attach).toHaveBeenCalledOnce();
    fireEvent.keyDown(box, { key: "Enter" });
    expect(client.send).not.toHaveBeenCalled();
    fireEvent.click(screen.getByLabelText("Remove cat.png"));
    fireEvent.keyDown(box, { key: "Enter" });
    expect(client.send).toHaveBeenCalledOnce();
});

it("long text that is pasted becomes a file, a picture beside text is left out", async () => {
    const { client, box } = setUp();
    paste(box, "short", [new File(["x"], "cells.png", { type: "image/png" })]);
    paste(box, "word ".repeat(2000));
    await settle();
    expect(names()).toEqual(["Pasted text.txt"]);
    paste(box, "", [new File(["x"], "c.md")]);
    await settle();
    expect(names()).toEqual(["Pasted text.txt", "c.md"]);
    expect(client.rest.attach).toHaveBeenCalledTimes(2);
});

it("files of a draft are kept over a reload, and come back with a message that was refused", async () => {
    const { store, view } = setUp();
    fireEvent.change(screen.getByTestId("attach-input"), { target: { files: [new File(["one"], "a.txt")] } });
    await settle();
    view.unmount();
    setUp();
    expect(names()).toEqual(["a.txt"]);
    cleanup();
    localStorage.clear();
    const again = setUp();
    const attachments = [{ id: "z", name: "z.txt", type: "text/plain", sizeBytes: 1, textBytes: 1 }];
    act(() => {
        again.store.addOutgoing("c9", "Hello", attachments);
        again.store.takeBack("c9", { text: "Hello", attachments, error: "no" });
    });
    expect(names()).toEqual(["z.txt"]);
    expect(again.box.value).toBe("Hello");
    expect(store.get().failure).toBeNull();
});

it("files are dropped anywhere", async () => {
    setUp();
    const dataTransfer = { types: ["Files"], files: [new File(["one"], "a.txt")] };
    fireEvent.dragEnter(window, { dataTransfer });
    expect(screen.getByTestId("drop-veil")).toBeTruthy();
    fireEvent.drop(window, { dataTransfer });
    expect(screen.queryByTestId("drop-veil")).toBeNull();
    await settle();
    expect(names()).toEqual(["a.txt"]);
});
