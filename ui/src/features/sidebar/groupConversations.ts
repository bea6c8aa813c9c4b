import type { ConversationSummary } from "../../protocol/rest";
import { type DateGroup, groupByDate } from "./groupByDate";

export interface Group extends DateGroup {
    kind: "pinned" | "folder" | "date";
}

/* What is pinned comes first, then folders by name, then what is in none, by date. */
export function groupConversations(items: readonly ConversationSummary[], now: Date): Group[] {
    const pinned = items.filter((item) => item.pinned);
    const others = items.filter((item) => !item.pinned);
    const folders = new Map<string, ConversationSummary[]>();
    for (const item of others)
        if (item.folder !== null) folders.set(item.folder, [...(folders.get(item.folder) ?? []), item]);
    const loose = others.filter((item) => item.folder === null);
    return [
        ...(pinned.length > 0 ? [{ kind: "pinned" as const, label: "Pinned", items: pinned }] : []),
        ...[...folders]
            .sort(([a], [b]) => a.localeCompare(b))
            .map(([label, items]) => ({ kind: "folder" as const, label, items })),
        ...groupByDate(loose, now).map((group) => ({ kind: "date" as const, ...group })),
    ];
}
