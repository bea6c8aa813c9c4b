/* The theme: what was chosen, and what it comes to. public/theme.js does the same before the first paint. */

export type ThemeChoice = "system" | "light" | "dark";

const NAME = "runnel.theme";
const COLORS = { light: "#ffffff", dark: "#131718" };
const darkQuery = () => matchMedia("(prefers-color-scheme: dark)");

let choice: ThemeChoice = read();
const listeners = new Set<() => void>();

export const themeStore = {
    get: () => choice,
    subscribe: (listener: () => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
    },
};

export function setTheme(next: ThemeChoice): void {
    choice = next;
    try {
        localStorage.setItem(NAME, next);
    } catch {
        /* Without storage it lasts as long as the page. */
    }
    apply();
}

/* isDark is what the choice comes to; themeStore tells when it changes. */
export const isDark = () => document.documentElement.dataset.theme === "dark";

/* nextTheme goes round the three so that the first step is always one that can be seen. */
export function nextTheme(current: ThemeChoice, systemIsDark: boolean): ThemeChoice {
    const opposite = systemIsDark ? "light" : "dark";
    if (current === "system") return opposite;
    if (current === opposite) return systemIsDark ? "dark" : "light";
    return "system";
}

export const isSystemDark = () => darkQuery().matches;

export function followSystemTheme(): void {
    darkQuery().addEventListener("change", apply);
}

function read(): ThemeChoice {
    try {
        const stored = localStorage.getItem(NAME);
        return stored === "light" || stored === "dark" ? stored : "system";
    } catch {
        return "system";
    }
}

function apply(): void {
    const resolved = choice === "system" ? (isSystemDark() ? "dark" : "light") : choice;
    document.documentElement.dataset.theme = resolved;
    document.querySelector('meta[name="theme-color"]')?.setAttribute("content", COLORS[resolved]);
    for (const listener of listeners) listener();
}
