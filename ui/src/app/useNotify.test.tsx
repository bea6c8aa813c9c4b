// @vitest-environment happy-dom
import { act, cleanup, render } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { ChatClient } from "../chat/client";
import { setPreference } from "../chat/preferences";
import { Store } from "../chat/store";
import { ServicesContext } from "../features/useClient";
import { useNotify } from "./useNotify";

const shown: string[] = [];
const isHidden = vi.spyOn(document, "hidden", "get");

beforeEach(() => {
    shown.length = 0;
    vi.stubGlobal(
        "Notification",
        class {
            constructor(title: string) {
                shown.push(title);
            }
        },
    );
});
afterEach(() => {
    cleanup();
    setPreference({ notifies: false });
});

function Page() {
    useNotify();
    return null;
}

function answerEnds(): void {
    const list = new Store({ items: [{ id: "c1", title: "Rivers", running: true }] });
    const client = { list } as unknown as ChatClient;
    render(
        <ServicesContext value={{ client, navigate: vi.fn() }}>
            <Page />
        </ServicesContext>,
    );
    act(() => list.set({ items: [{ id: "c1", title: "Rivers", running: true }] }));
    act(() => list.set({ items: [{ id: "c1", title: "Rivers", running: false }] }));
}

it.each([
    [true, true, ["Rivers"]],
    [true, false, []],
    [false, true, []],
])("wanted: %s, out of sight: %s", (isWanted, isAway, told) => {
    setPreference({ notifies: isWanted });
    isHidden.mockReturnValue(isAway);
    answerEnds();
    expect(shown).toEqual(told);
});
