/* The keys of the page. The help shows this table, and App.tsx acts by it. None of them alone deletes anything. */

export type Action = "search" | "new" | "sidebar" | "write" | "help";

export interface Shortcut {
    keys: string;
    does: string;
    action: Action | null /* null: it is heard where it belongs */;
}

export const SHORTCUTS: readonly { title: string; keys: readonly Shortcut[] }[] = [
    {
        title: "Everywhere",
        keys: [
            { keys: "Mod+K", does: "Search in all conversations", action: "search" },
            { keys: "Mod+Shift+O", does: "New conversation", action: "new" },
            { keys: "Mod+B", does: "Show or hide the conversations", action: "sidebar" },
            { keys: "/", does: "Go to the message box", action: "write" },
            { keys: "?", does: "This help", action: "help" },
        ],
    },
    {
        title: "Writing",
        keys: [
            { keys: "Enter", does: "Send", action: null },
            { keys: "Shift+Enter", does: "New line", action: null },
            { keys: "↑", does: "Edit the last message, from an empty box", action: null },
            { keys: "Esc", does: "Stop the answer", action: null },
        ],
    },
];
