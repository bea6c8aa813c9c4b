/* Keys as they are called here: `Mod` is Ctrl, on a Mac ⌘. */

const isMac = typeof navigator !== "undefined" && /mac|iphone|ipad/i.test(navigator.platform);
const NAMES: Record<string, string> = isMac ? { Mod: "⌘", Shift: "⇧", Enter: "↩" } : { Mod: "Ctrl" };

export const keyNames = (keys: string): string[] => keys.split("+").map((key) => NAMES[key] ?? key);
export const keyWords = (keys: string): string => keyNames(keys).join(isMac ? "" : " ");

/* isKey: was `keys`, such as "Mod+Shift+O", pressed? */
export function isKey(event: KeyboardEvent, keys: string): boolean {
    const parts = keys.split("+");
    const key = parts.at(-1) ?? "";
    const hasMod = event.ctrlKey || event.metaKey;
    if (event.altKey || hasMod !== parts.includes("Mod") || event.isComposing) return false;
    /* A sign such as ? may need Shift, whatever the keyboard. */
    if (/^[A-Z]$/.test(key) && event.shiftKey !== parts.includes("Shift")) return false;
    return event.key.toLowerCase() === key.toLowerCase();
}

/* isTyping: a single key belongs to the text that is being written. */
export function isTyping(target: EventTarget | null): boolean {
    return (
        target instanceof HTMLElement &&
        (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
    );
}
