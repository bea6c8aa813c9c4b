import { useEffect, useSyncExternalStore } from "react";
import { useClient, useStore } from "../features/useClient";

const subscribe = (listener: () => void) => {
    document.addEventListener("visibilitychange", listener);
    return () => document.removeEventListener("visibilitychange", listener);
};

/* What is open, and in sight, is read: its mark goes [N41]. True: something else is not read yet. */
export function useSeen(openId: string | null): boolean {
    const client = useClient();
    const { items } = useStore(client.list);
    const isVisible = useSyncExternalStore(subscribe, () => !document.hidden);
    const isUnread = items.some((item) => item.id === openId && item.unread);
    useEffect(() => {
        if (openId !== null && isUnread && isVisible) client.seen(openId);
    }, [client, openId, isUnread, isVisible]);
    return items.some((item) => item.unread && !item.running && item.id !== openId);
}
