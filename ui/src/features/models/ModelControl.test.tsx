// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import type { ChatClient } from "../../chat/client";
import { ConversationStore } from "../../chat/conversationStore";
import { Store } from "../../chat/store";
import { CONVERSATION, ManualTime } from "../../chat/testFrames";
import type { Own } from "../../protocol/frames";
import { ServicesContext } from "../useClient";
import { ModelControl } from "./ModelControl";

const READY = { state: "ready", path: "/models/Usual-7B.gguf", name: "Usual-7B", progress: null };
const files = ["Usual-7B.gguf", "Other-3B.gguf"].map((name) => ({
    name,
    path: `/models/${name}`,
    isDirectory: false,
    sizeBytes: 1e9,
}));

afterEach(cleanup);

function setUp(model: string | null) {
    const conversation = new ConversationStore(CONVERSATION, new ManualTime());
    conversation.setOwn({ model, settings: null });
    const changeOwn = vi.fn(async (store: ConversationStore, own: Own) => store.setOwn(own));
    const loadModel = vi.fn(async () => {});
    const browse = async () => ({ files, currentPath: "/models", parentPath: null });
    const rest = { browse, loadModel };
    const client = { model: new Store(READY), rest, changeOwn } as unknown as ChatClient;
    render(
        <ServicesContext value={{ client, navigate: vi.fn() }}>
            <ModelControl conversation={conversation} />
        </ServicesContext>,
    );
    const head = () => screen.getByTestId("model-status");
    const choose = async (name: string) => {
        fireEvent.click(head());
        const button = await screen.findByRole("button", { name: new RegExp(name) });
        await act(async () => void fireEvent.click(button));
    };
    return { head, choose, changeOwn, loadModel };
}

it("the head names the model that answers here: the conversation's own, if it has one", async () => {
    const { head, choose, changeOwn, loadModel } = setUp("Other-3B.gguf");
    expect(head().textContent).toContain("Model of this conversation: Other-3B");
    expect(head().dataset.state).toBe("unknown");
    await choose("As elsewhere");
    expect(changeOwn.mock.lastCall?.[1]).toEqual({ model: null, settings: null });
    expect(head().textContent).toContain("Model: Usual-7B");
    expect(loadModel).not.toHaveBeenCalled();
});

it("what is chosen for such a conversation is for it alone", async () => {
    const { choose, changeOwn, loadModel } = setUp("Other-3B.gguf");
    await choose("Usual-7B");
    expect(changeOwn.mock.lastCall?.[1]).toEqual({ model: "Usual-7B.gguf", settings: null });
    expect(loadModel).not.toHaveBeenCalled();
});

it("else it is for all of them", async () => {
    const { choose, changeOwn, loadModel } = setUp(null);
    await choose("Other-3B");
    expect(loadModel).toHaveBeenCalledWith("/models/Other-3B.gguf");
    expect(changeOwn).not.toHaveBeenCalled();
});
