// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import type { ChatClient } from "../../chat/client";
import { ConversationStore } from "../../chat/conversationStore";
import type { AssistantItem } from "../../chat/items";
import { Store } from "../../chat/store";
import {
    answer,
    CONVERSATION,
    end,
    ending,
    goesOn,
    interrupted,
    snapshot,
    start,
    tokens,
} from "../../chat/testFrames";
import type { EndReason } from "../../protocol/frames";
import { ServicesContext } from "../useClient";
import { AssistantMessage } from "./AssistantMessage";

/* Every frame is told at once: what is looked at here is what is on the screen. */
function setUp(onContinue: (() => void) | null = null) {
    const store = new ConversationStore(CONVERSATION, {
        schedule: (run) => run(),
        now: () => performance.now(),
    });
    store.apply(snapshot([]));
    const client = { connection: new Store({ socket: { state: "open" } }) } as unknown as ChatClient;
    const page = () => (
        <ServicesContext value={{ client, navigate: vi.fn() }}>
            <AssistantMessage item={store.get().items[0] as AssistantItem} onContinue={onContinue} />
        </ServicesContext>
    );
    return { store, page };
}

const article = () => screen.getByTestId("message-assistant");

afterEach(cleanup);

it("an interrupted answer goes on in the same element, and only a mark is left of it", () => {
    const { store, page } = setUp(vi.fn());
    store.apply(start());
    store.apply(tokens(2, "One.\n\nTwo"));
    const { rerender } = render(page());
    const [element, first] = [article(), article().querySelector("p")];
    act(() => void store.apply(interrupted(3, "g1", "g2")));
    expect(screen.getByTestId("phase").textContent).toBe("Interrupted, goes on…");
    expect(screen.queryByTestId("end-reason")).toBeNull();
    expect(screen.queryByTestId("continue")).toBeNull();
    expect(screen.getByTestId("answer-streaming").textContent).toContain("Two");
    act(() => {
        store.apply(goesOn("g1", "g2"));
        store.apply(tokens(2, " and three", 1, "g2"));
    });
    expect(screen.queryByTestId("phase")).toBeNull();
    act(() => void store.apply(end(3, "stop", "g2")));
    rerender(page());
    expect(article()).toBe(element);
    expect(article().querySelector("p")).toBe(first);
    expect(screen.getByTestId("answer").textContent).toContain("Two and three");
    expect(screen.queryByTestId("end-reason")).toBeNull();
    expect(screen.getByTestId("went-on").title).toContain("interrupted");
});

it("[N18] thoughts are a closed part above the answer, and calls a block below it, live and after a reload", () => {
    const { store, page } = setUp(vi.fn());
    store.apply(start());
    store.apply({ ...tokens(2, ""), reasoning: "Let me see" });
    const { rerender } = render(page());
    const thoughts = () => screen.getByTestId("thoughts") as HTMLDetailsElement;
    expect(thoughts().open).toBe(false);
    expect(thoughts().querySelector("summary")?.textContent).toBe("Thinking…");
    act(() => {
        store.apply({ ...tokens(3, ""), reasoning: "." });
        store.apply(tokens(4, "I ask."));
        store.apply({ ...tokens(5, ""), call: { index: 0, id: "c1", name: "get_weather", arguments: "" } });
        store.apply({ ...tokens(6, ""), call: { index: 0, id: null, name: null, arguments: '{"city":' } });
        store.apply({ ...tokens(7, ""), call: { index: 0, id: null, name: null, arguments: '"Bern"}' } });
        store.apply(end(8));
    });
    rerender(page());
    const check = () => {
        expect(thoughts().querySelector("summary")?.textContent).toBe("Thoughts");
        expect(thoughts().textContent).toContain("Let me see.");
        expect(screen.getByTestId("answer").textContent).toBe("I ask.");
        expect(screen.getByTestId("tool-calls").textContent).toBe('get_weather{"city":"Bern"}');
    };
    check();
    cleanup();
    const after = setUp(vi.fn());
    const stored = answer("a1", "I ask.", "g1", 8, ending());
    const toolCalls = [{ id: "c1", name: "get_weather", arguments: '{"city":"Bern"}' }];
    if (stored.generation) Object.assign(stored.generation, { reasoning: "Let me see.", toolCalls });
    after.store.apply(snapshot([stored]));
    render(after.page());
    check();
});

it("a whole answer has no mark and no button", () => {
    const { store, page } = setUp(vi.fn());
    store.apply(snapshot([answer("a1", "One", "g1", 3, ending())]));
    render(page());
    expect(screen.queryByTestId("went-on")).toBeNull();
    expect(screen.queryByTestId("continue")).toBeNull();
});

it("the mark is there after a reload, too", () => {
    const { store, page } = setUp();
    store.apply(snapshot([answer("a1", "One", "g2", 3, ending(), "g1")]));
    render(page());
    expect(screen.getByTestId("went-on")).toBeTruthy();
});

it.each<[EndReason, boolean]>([
    ["interrupted", true],
    ["cancelled", true],
    ["length", true],
    ["error", true],
    ["stop", false],
])("[N13] an answer that ended as %s can go on: %s", (reason, canGoOn) => {
    const onContinue = vi.fn();
    const { store, page } = setUp(onContinue);
    store.apply(snapshot([answer("a1", "One", "g1", 3, ending(reason))]));
    render(page());
    const button = screen.queryByTestId("continue");
    expect(button !== null).toBe(canGoOn);
    if (button) fireEvent.click(button);
    expect(onContinue).toHaveBeenCalledTimes(canGoOn ? 1 : 0);
});

it("[N13] an answer that failed says why, beside the button, and then that it goes on", () => {
    const { store, page } = setUp(vi.fn());
    const error = { code: "model", text: "the model m is not there any more" };
    store.apply(snapshot([answer("a1", "One", "g1", 3, { ...ending("error"), error })]));
    const { rerender } = render(page());
    expect(screen.getByTestId("end-reason").textContent).toBe(error.text);
    expect(screen.getByTestId("continue")).toBeTruthy();
    act(() => void store.requestMore());
    rerender(page());
    expect(screen.getByTestId("phase").textContent).toBe("Goes on…");
    expect(screen.queryByTestId("continue")).toBeNull();
});

it("an answer that is not the last has no button", () => {
    const { store, page } = setUp(null);
    store.apply(snapshot([answer("a1", "One", "g1", 3, ending("interrupted"))]));
    render(page());
    expect(screen.getByTestId("end-reason")).toBeTruthy();
    expect(screen.queryByTestId("continue")).toBeNull();
});

it("an answer can be looked at as it was written, and copied without its marks", async () => {
    const { store, page } = setUp();
    const copied = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    store.apply(snapshot([answer("a1", "# One\n\n**two**\n\n```js\nx\n```", "g1", 3, ending())]));
    render(page());
    fireEvent.click(screen.getByLabelText("Copy as plain text"));
    expect(copied.mock.lastCall?.[0]).not.toMatch(/[#*`]|Copy/);
    expect(copied.mock.lastCall?.[0]).toMatch(/One[\s\S]*two[\s\S]*x/);
    fireEvent.click(screen.getByLabelText("Show the source"));
    expect(screen.getByTestId("source").textContent).toBe("# One\n\n**two**\n\n```js\nx\n```");
    expect(screen.getByTestId("answer").hidden).toBe(true);
    fireEvent.click(screen.getByLabelText("Show the source"));
    expect(screen.queryByTestId("source")).toBeNull();
});

it("its foot names the model that made it", () => {
    const { store, page } = setUp();
    const made = answer("a1", "One", "g1", 3, ending());
    if (made.generation) made.generation.model = "/models/Some-Model-7B.gguf";
    store.apply(snapshot([made]));
    render(page());
    expect(screen.getByTestId("answer-model").textContent).toBe("Some-Model-7B");
});

it("an answer of a snapshot goes on without being built anew", () => {
    const { store, page } = setUp(vi.fn());
    store.apply(snapshot([answer("a1", "One", "g1", 3, ending("cancelled"))]));
    const { rerender } = render(page());
    const [element, first] = [article(), article().querySelector("p")];
    act(() => void store.requestMore());
    rerender(page());
    expect(screen.getByTestId("phase").textContent).toBe("Goes on…");
    act(() => {
        store.apply(goesOn("g1", "g2"));
        store.apply(tokens(2, " two", 1, "g2"));
    });
    rerender(page());
    expect(article()).toBe(element);
    expect(article().querySelector("p")).toBe(first);
    expect(first?.textContent).toBe("One two");
});
