/* The conversations of the sidebar: read once by REST, kept up by `conversation` frames. */

import type { ConversationEvent } from "../protocol/frames";
import { CONVERSATIONS_PAGE, type ConversationSummary, type Rest } from "../protocol/rest";
import { Store } from "./store";
import { parseTime } from "./times";

export interface ListSnapshot {
    status: "loading" | "ready" | "failed";
    error: string | null;
    items: readonly ConversationSummary[] /* the latest change first */;
    hasMore: boolean;
}

export class ListStore extends Store<ListSnapshot> {
    private rest: Rest;
    /* What came while the list was being read, which the answer may not have yet. */
    private missed: ConversationEvent[] = [];
    private nReading = 0;

    constructor(rest: Rest) {
        super({ status: "loading", error: null, items: [], hasMore: false });
        this.rest = rest;
    }

    /* refresh reads the newest page; after an absence it also brings what was missed. */
    async refresh(): Promise<void> {
        this.nReading++;
        try {
            const page = await this.rest.conversations({});
            this.set({ status: "ready", error: null, items: this.sorted(page), hasMore: isFull(page) });
            for (const frame of this.missed) this.put(frame);
        } catch (error) {
            this.update((value) => ({ ...value, status: "failed", error: messageOf(error) }));
        } finally {
            if (--this.nReading === 0) this.missed = [];
        }
    }

    async loadMore(): Promise<void> {
        const oldest = this.get()
            .items.map((item) => item.timestamp)
            .sort()[0];
        if (!oldest) return;
        try {
            const page = await this.rest.conversations({ before: oldest });
            this.update((value) => ({
                ...value,
                items: this.sorted([...value.items, ...page]),
                hasMore: isFull(page),
            }));
        } catch (error) {
            this.update((value) => ({ ...value, error: messageOf(error) }));
        }
    }

    apply(frame: ConversationEvent): void {
        if (this.nReading > 0) this.missed.push(frame);
        this.put(frame);
    }

    /* setSeen: what the server will say, too, when it knows. */
    setSeen(id: string): void {
        this.update((value) => ({
            ...value,
            items: value.items.map((item) => (item.id === id ? { ...item, unread: false } : item)),
        }));
    }

    private put(frame: ConversationEvent): void {
        this.update((value) => {
            const others = value.items.filter((item) => item.id !== frame.conversation);
            const isElsewhere = frame.marks?.archived || frame.marks?.temporary;
            if (frame.event === "deleted" || isElsewhere) return { ...value, items: others };
            const known = value.items.find((item) => item.id === frame.conversation);
            const timestamp = frame.timestamp ?? known?.timestamp ?? new Date().toISOString();
            const item: ConversationSummary = {
                id: frame.conversation,
                title: frame.title ?? known?.title ?? "",
                timestamp,
                updated: frame.updated ?? known?.updated ?? timestamp,
                running: frame.running,
                snippet: null,
                ...(frame.marks ?? known ?? NO_MARKS),
            };
            return { ...value, items: this.sorted([...others, item]) };
        });
    }

    private sorted(items: readonly ConversationSummary[]): ConversationSummary[] {
        const byId = new Map(items.map((item) => [item.id, item]));
        return [...byId.values()].sort((a, b) => timeOf(b) - timeOf(a) || (a.id < b.id ? 1 : -1));
    }
}

const NO_MARKS = {
    pinned: false,
    folder: null,
    archived: false,
    temporary: false,
    model: null,
    unread: false,
};

function timeOf(item: ConversationSummary): number {
    return (parseTime(item.updated) ?? parseTime(item.timestamp))?.getTime() ?? 0;
}

const isFull = (page: readonly unknown[]) => page.length >= CONVERSATIONS_PAGE;
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
