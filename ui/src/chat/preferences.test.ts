// @vitest-environment happy-dom
import { beforeEach, expect, it, vi } from "vitest";

beforeEach(() => {
    localStorage.clear();
    vi.resetModules();
});

it("what was chosen is there after a reload", async () => {
    const before = await import("./preferences");
    expect(before.preferences.get()).toEqual({ enterSends: true, notifies: false });
    before.setPreference({ enterSends: false });
    vi.resetModules();
    const after = await import("./preferences");
    expect(after.preferences.get()).toEqual({ enterSends: false, notifies: false });
});

it.each(["nonsense", "[]", "null", '{"enterSends":"no"}'])(
    "what is stored and cannot be read counts as nothing: %s",
    async (text) => {
        localStorage.setItem("runnel.preferences", text);
        const { preferences } = await import("./preferences");
        expect(preferences.get()).toEqual({ enterSends: true, notifies: false });
    },
);

it("what another tab chooses holds here, too", async () => {
    const { preferences, followOtherTabs } = await import("./preferences");
    followOtherTabs();
    localStorage.setItem("runnel.preferences", '{"enterSends":false}');
    window.dispatchEvent(new StorageEvent("storage", { key: "runnel.preferences" }));
    expect(preferences.get().enterSends).toBe(false);
});
