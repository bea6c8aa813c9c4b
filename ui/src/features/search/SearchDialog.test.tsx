// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { ChatClient } from "../../chat/client";
import type { SearchHit, SearchPage } from "../../protocol/rest";
import { ServicesContext } from "../useClient";
import { Marked } from "./Marked";
import SearchDialog from "./SearchDialog";

const hit = (message: string | null, snippet: string): SearchHit => ({
    conversation: "c1",
    title: "Bridges",
    message,
    role: message && "assistant",
    timestamp: "2026-11-22T21:05:10.123Z",
    snippet,
    marks: [[0, 3]],
});

function setUp(pages: SearchPage[]) {
    const search = vi.fn((_q: string, _before: string | null) =>
        Promise.resolve(pages.shift() as SearchPage),
    );
    const client = { rest: { search } };
    const navigate = vi.fn();
    const onClose = vi.fn();
    render(
        <ServicesContext value={{ client: client as unknown as ChatClient, navigate }}>
            <SearchDialog isOpen onClose={onClose} />
        </ServicesContext>,
    );
    const input = screen.getByRole("combobox") as HTMLInputElement;
    const type = async (text: string) => {
        fireEvent.change(input, { target: { value: text } });
        await act(() => vi.advanceTimersByTimeAsync(200));
    };
    return { search, navigate, onClose, input, type };
}

beforeEach(() => {
    vi.useFakeTimers();
    Element.prototype.scrollIntoView = vi.fn();
});
afterEach(() => {
    cleanup();
    vi.useRealTimers();
});

it("[W60] Enter goes to the message, the arrows choose which", async () => {
    const { input, type, navigate, onClose } = setUp([
        { hits: [hit(null, "Bridges"), hit("m1", "one bridge"), hit("m2", "two bridges")], next: null },
    ]);
    await type("bri");
    expect(screen.getAllByTestId("search-hit")).toHaveLength(3);
    fireEvent.keyDown(input, { key: "ArrowDown" });
    fireEvent.keyDown(input, { key: "ArrowDown" });
    fireEvent.keyDown(input, { key: "ArrowUp" });
    expect(input.getAttribute("aria-activedescendant")).toBe(screen.getAllByTestId("search-hit")[1]?.id);
    fireEvent.keyDown(input, { key: "Enter" });
    expect(navigate).toHaveBeenCalledWith("/c/c1#m1");
    expect(onClose).toHaveBeenCalledOnce();
    fireEvent.keyDown(input, { key: "ArrowUp" });
    fireEvent.keyDown(input, { key: "Enter" });
    expect(navigate).toHaveBeenLastCalledWith("/c/c1");
});

it("asks once the typing pauses, and says when nothing was found", async () => {
    const { search, input, type } = setUp([{ hits: [], next: null }]);
    fireEvent.change(input, { target: { value: "x" } });
    await act(() => vi.advanceTimersByTimeAsync(50));
    await type("xy");
    expect(search).toHaveBeenCalledOnce();
    expect(search.mock.calls[0]?.[0]).toBe("xy");
    expect(screen.getByRole("status").textContent).toBe("Nothing found.");
});

it("more comes when the end of the list comes near", async () => {
    const { search, type } = setUp([
        { hits: [hit("m1", "one"), hit("m2", "two")], next: "77" },
        { hits: [hit("m3", "three")], next: null },
    ]);
    await type("o");
    await act(() => vi.advanceTimersByTimeAsync(0));
    expect(search.mock.calls[1]).toEqual(["o", "77", expect.anything()]);
    expect(screen.getAllByTestId("search-hit").map((element) => element.dataset.message)).toEqual([
        "m1",
        "m2",
        "m3",
    ]);
});

it("marks count characters, not units of the text", () => {
    const { container } = render(
        <Marked
            text={"🌉🌉 Brücke da"}
            marks={[
                [3, 6],
                [3, 2],
                [40, 1],
            ]}
        />,
    );
    expect([...container.querySelectorAll("mark")].map((mark) => mark.textContent)).toEqual(["Brücke"]);
    expect(container.textContent).toBe("🌉🌉 Brücke da");
});
