import { parseTime } from "../../chat/times";
import type { ConversationSummary } from "../../protocol/rest";

export interface DateGroup {
    label: string;
    items: ConversationSummary[];
}

const DAY_MS = 86_400_000;

/* groupByDate keeps the order and puts a heading over each stretch of time, by the reader's own days. */
export function groupByDate(items: readonly ConversationSummary[], now: Date): DateGroup[] {
    const groups: DateGroup[] = [];
    for (const item of items) {
        const label = labelFor(parseTime(item.updated) ?? parseTime(item.timestamp), now);
        const last = groups.at(-1);
        if (last?.label === label) last.items.push(item);
        else groups.push({ label, items: [item] });
    }
    return groups;
}

function labelFor(time: Date | null, now: Date): string {
    if (!time) return "Earlier";
    const days = Math.round((startOfDay(now) - startOfDay(time)) / DAY_MS);
    if (days <= 0) return "Today";
    if (days === 1) return "Yesterday";
    if (days <= 7) return "Previous 7 days";
    if (days <= 30) return "Previous 30 days";
    return time.toLocaleDateString("en", { month: "long", year: "numeric" });
}

function startOfDay(time: Date): number {
    return new Date(time.getFullYear(), time.getMonth(), time.getDate()).getTime();
}
