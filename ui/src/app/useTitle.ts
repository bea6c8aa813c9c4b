import { useEffect } from "react";
import type { ConversationStore } from "../chat/conversationStore";
import { useClient, useStore } from "../features/useClient";

/* The tab tells which conversation is open and whether an answer is being written, here or anywhere. */
export function useTitle(conversation: ConversationStore): void {
    const { title, id, turn } = useStore(conversation);
    const list = useStore(useClient().list);
    const listed = id === null ? undefined : list.items.find((item) => item.id === id)?.title;
    const name = title || listed || "";
    const isRunning = turn !== null || list.items.some((item) => item.running);
    useEffect(() => {
        document.title = `${isRunning ? "● " : ""}${name ? `${name} · Runnel` : "Runnel"}`;
    }, [name, isRunning]);
}
