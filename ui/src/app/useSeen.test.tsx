// @vitest-environment happy-dom
import { act, cleanup, render } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { ChatClient } from "../chat/client";
import { Store } from "../chat/store";
import { ServicesContext } from "../features/useClient";
import { useSeen } from "./useSeen";

const isHidden = vi.spyOn(document, "hidden", "get");
const seen = vi.fn();
let hasOthers = false;

beforeEach(() => {
    seen.mockClear();
    isHidden.mockReturnValue(false);
});
afterEach(cleanup);

function Page({ openId }: { openId: string }) {
    hasOthers = useSeen(openId);
    return null;
}

function open(openId: string, items: object[]) {
    const client = { list: new Store({ items }), seen } as unknown as ChatClient;
    render(
        <ServicesContext value={{ client, navigate: vi.fn() }}>
            <Page openId={openId} />
        </ServicesContext>,
    );
}

it("[N41] what is open is read, and of the others it is told that one is not", () => {
    open("c1", [
        { id: "c1", unread: true },
        { id: "c2", unread: true },
    ]);
    expect(seen.mock.calls).toEqual([["c1"]]);
    expect(hasOthers).toBe(true);
});

it("what is read already says nothing", () => {
    open("c1", [{ id: "c1" }, { id: "c2", unread: false }]);
    expect(seen).not.toHaveBeenCalled();
    expect(hasOthers).toBe(false);
});

it("what ends while the page is out of sight is read when it is looked at again", () => {
    isHidden.mockReturnValue(true);
    open("c1", [{ id: "c1", unread: true }]);
    expect(seen).not.toHaveBeenCalled();
    isHidden.mockReturnValue(false);
    act(() => void document.dispatchEvent(new Event("visibilitychange")));
    expect(seen.mock.calls).toEqual([["c1"]]);
});
