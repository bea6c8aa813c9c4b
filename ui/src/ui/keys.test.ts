// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { isKey, isTyping, keyNames } from "./keys";

const press = (key: string, more: KeyboardEventInit = {}) => new KeyboardEvent("keydown", { key, ...more });

it.each([
    ["Mod+K", press("k", { ctrlKey: true }), true],
    ["Mod+K", press("k", { metaKey: true }), true],
    ["Mod+K", press("k"), false],
    ["Mod+K", press("K", { ctrlKey: true, shiftKey: true }), false],
    ["Mod+Shift+O", press("O", { ctrlKey: true, shiftKey: true }), true],
    ["Mod+Shift+O", press("o", { ctrlKey: true }), false],
    ["?", press("?", { shiftKey: true }), true],
    ["?", press("?"), true],
    ["?", press("?", { ctrlKey: true }), false],
    ["Mod+B", press("b", { ctrlKey: true, altKey: true }), false],
    ["?", press("?", { isComposing: true }), false],
])("%s", (keys, event, is) => {
    expect(isKey(event, keys)).toBe(is);
});

it("a single key in a text box is text", () => {
    expect(isTyping(document.createElement("textarea"))).toBe(true);
    expect(isTyping(document.createElement("button"))).toBe(false);
});

it("keys are named as they stand on the keyboard", () => {
    expect(keyNames("Mod+Shift+O")).toEqual(["Ctrl", "Shift", "O"]);
});
