// @vitest-environment happy-dom
import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import type { ChatClient } from "../../chat/client";
import { Store } from "../../chat/store";
import { STORAGE_STATES, type StorageState } from "../../protocol/frames";
import { ServicesContext } from "../useClient";
import { StorageBanner, storageAdvice } from "./StorageBanner";

function setUp() {
    const storage = new Store<StorageState>({ state: "fine", text: "" });
    render(
        <ServicesContext value={{ client: { storage } as unknown as ChatClient, navigate: vi.fn() }}>
            <StorageBanner />
        </ServicesContext>,
    );
    return storage;
}

afterEach(cleanup);

it("is there while there is trouble, says what to do, and goes when it is over", () => {
    const storage = setUp();
    expect(screen.queryByTestId("storage-banner")).toBeNull();
    act(() => storage.set({ state: "full", text: "no space left on /data" }));
    const banner = screen.getByTestId("storage-banner");
    expect(banner.textContent).toContain("make room");
    expect(banner.textContent).toContain("no space left on /data");
    act(() => storage.set({ state: "read_only", text: "" }));
    expect(screen.getByTestId("storage-banner").dataset.state).toBe("read_only");
    act(() => storage.set({ state: "fine", text: "" }));
    expect(screen.queryByTestId("storage-banner")).toBeNull();
});

it("has advice for every trouble", () => {
    const without = STORAGE_STATES.filter((state) => storageAdvice(state) === null);
    expect(without).toEqual(["fine"]);
});
