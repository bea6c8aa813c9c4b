// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import type { ChatClient } from "../../chat/client";
import { ConversationStore } from "../../chat/conversationStore";
import { answer, CONVERSATION, ManualTime, queue, queued, snapshot } from "../../chat/testFrames";
import { ServicesContext } from "../useClient";
import { WaitingList } from "./WaitingList";

function setUp() {
    const store = new ConversationStore(CONVERSATION, new ManualTime());
    store.apply(snapshot([answer("a1", "One", "g1", 2, null)]));
    const client = { cancelWaiting: vi.fn((_: unknown, key: string) => store.cancelWaiting(key)) };
    render(
        <ServicesContext value={{ client: client as unknown as ChatClient, navigate: vi.fn() }}>
            <WaitingList conversation={store} />
        </ServicesContext>,
    );
    return { store, client };
}

afterEach(cleanup);

it("shows nothing while nothing waits", () => {
    setUp();
    expect(screen.queryByTestId("queue")).toBeNull();
});

it("shows what waits with its place, and cancels one", () => {
    const { store, client } = setUp();
    act(() => void store.apply(queue(queued("u2", "Two", "g2"), queued("u3", "Three", "g3"))));
    const rows = () => screen.getAllByTestId("queued-message");
    expect(rows().map((row) => row.textContent)).toEqual(["NextTwo", "2Three"]);
    fireEvent.click(screen.getAllByTestId("queued-cancel")[1] as HTMLElement);
    expect(client.cancelWaiting).toHaveBeenCalledWith(store, "u3");
    expect((screen.getAllByTestId("queued-cancel")[1] as HTMLButtonElement).disabled).toBe(true);
    act(() => void store.apply(queue(queued("u2", "Two", "g2"))));
    expect(rows()).toHaveLength(1);
});

it("a message keeps its row while the server takes it", () => {
    const { store } = setUp();
    act(() => store.addOutgoing("c2", "Two"));
    const row = screen.getByTestId("queued-message");
    expect(row.dataset.pending).toBe("true");
    act(() => {
        store.accept("c2", { conversation: CONVERSATION, message: "u2", generation: "g2" }, "e1");
        store.apply(queue(queued("u2", "Two", "g2")));
    });
    expect(screen.getByTestId("queued-message")).toBe(row);
    expect(row.dataset.pending).toBeUndefined();
});
