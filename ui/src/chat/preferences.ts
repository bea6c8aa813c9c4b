/* What this browser alone wants, kept in it: nothing of it concerns the server. */

import { quietly } from "./localStore";
import { Store } from "./store";

export interface Preferences {
    enterSends: boolean /* else Ctrl or ⌘ with Enter sends, and Enter breaks the line */;
    notifies: boolean /* tell of an answer that ended while the page was out of sight */;
}

const NAME = "runnel.preferences";
const DEFAULTS: Preferences = { enterSends: true, notifies: false };

function read(): Preferences {
    return quietly(DEFAULTS, () => {
        const stored: unknown = JSON.parse(localStorage.getItem(NAME) ?? "{}");
        const given = (typeof stored === "object" && stored !== null ? stored : {}) as Record<
            string,
            unknown
        >;
        const pick = (name: keyof Preferences) =>
            typeof given[name] === "boolean" ? (given[name] as boolean) : DEFAULTS[name];
        return { enterSends: pick("enterSends"), notifies: pick("notifies") };
    });
}

export const preferences = new Store<Preferences>(read());

export function setPreference(change: Partial<Preferences>): void {
    preferences.update((value) => ({ ...value, ...change }));
    quietly(undefined, () => localStorage.setItem(NAME, JSON.stringify(preferences.get())));
}

/* followOtherTabs: what is chosen in one tab holds in all. */
export function followOtherTabs(): void {
    window.addEventListener("storage", (event) => {
        if (event.key === NAME) preferences.set(read());
    });
}
