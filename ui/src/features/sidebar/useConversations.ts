import { useMemo } from "react";
import type { ChatClient } from "../../chat/client";
import { writeDraft } from "../../chat/localStore";
import type { BulkAction, ConversationSummary } from "../../protocol/rest";
import { showToast } from "../../ui/toasts";
import { useServices } from "../useClient";

/* What can be done with conversations in a list: with one, or with many at once. Every screen hears of it by `conversation` frames. */
export interface ListActions {
    rename: (item: ConversationSummary, title: string) => void;
    pin: (item: ConversationSummary) => void;
    renameFolder: (from: string, to: string) => void;
    all: (ids: readonly string[], action: BulkAction) => Promise<void>;
}

const DONE: Record<BulkAction["action"], string> = {
    archive: "Archived",
    unarchive: "Out of the archive",
    pin: "Pinned",
    unpin: "Unpinned",
    move: "Moved",
    delete: "Moved to the trash",
    restore: "Out of the trash",
    purge: "Deleted for ever",
};

/* What takes an action back, where one click should. */
const BACK: Partial<Record<BulkAction["action"], BulkAction>> = {
    archive: { action: "unarchive" },
    delete: { action: "restore" },
};

export function useConversations(openId: string | null, onDone: () => void): ListActions {
    const { client, navigate } = useServices();
    return useMemo(() => {
        const all = async (ids: readonly string[], action: BulkAction) => {
            const failed = await quietly(() => client.rest.bulk(ids, action));
            if (failed === null) return;
            if (isGone(action) && openId !== null && ids.includes(openId)) navigate("/");
            if (action.action === "purge") for (const id of ids) writeDraft(id, "");
            tell(client, ids, action, failed, onDone);
            onDone();
        };
        const change = async (item: ConversationSummary, fields: { title?: string; pinned?: boolean }) => {
            await quietly(() => client.rest.change(item.id, fields));
            onDone();
        };
        /* Frames tell of the conversations that are open alone [W55]: the list is read again. */
        const renameFolder = async (from: string, to: string) => {
            await quietly(() => client.rest.renameFolder(from, to));
            await client.list.refresh();
        };
        return {
            renameFolder: (from, to) => void renameFolder(from, to),
            rename: (item, title) => void change(item, { title }),
            pin: (item) => void change(item, { pinned: !item.pinned }),
            all,
        };
    }, [client, navigate, openId, onDone]);
}

const isGone = (action: BulkAction) => action.action === "delete" || action.action === "purge";

async function quietly<T>(action: () => Promise<T>): Promise<T | null> {
    try {
        return await action();
    } catch (error) {
        showToast(error instanceof Error ? error.message : String(error), { isError: true });
        return null;
    }
}

function tell(
    client: ChatClient,
    ids: readonly string[],
    action: BulkAction,
    failed: number,
    onDone: () => void,
): void {
    if (failed > 0) {
        showToast(`${failed} of ${ids.length} could not be changed`, { isError: true });
        return;
    }
    const count = ids.length > 1 ? ` (${ids.length})` : "";
    const back = BACK[action.action];
    const undo = back && {
        label: "Undo",
        run: () => void quietly(() => client.rest.bulk(ids, back)).then(onDone),
    };
    showToast(`${DONE[action.action]}${count}`, undo ? { action: undo } : {});
}
