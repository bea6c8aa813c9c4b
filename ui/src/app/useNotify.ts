import { useEffect } from "react";
import { preferences } from "../chat/preferences";
import { useServices } from "../features/useClient";

/* Tells of each answer that ends while the page is out of sight, if this browser wants it. */
export function useNotify(): void {
    const { client, navigate } = useServices();
    useEffect(() => {
        let running = new Set<string>();
        return client.list.subscribe(() => {
            const { items } = client.list.get();
            const ended = items.filter((item) => running.has(item.id) && !item.running);
            running = new Set(items.filter((item) => item.running).map((item) => item.id));
            if (!document.hidden || !preferences.get().notifies) return;
            for (const { id, title } of ended) show(title, id, () => navigate(`/c/${id}`));
        });
    }, [client, navigate]);
}

function show(title: string, id: string, open: () => void): void {
    try {
        const notice = new Notification(title || "Runnel", {
            body: "The answer is done.",
            tag: id,
            icon: "/icon-192.png",
        });
        notice.onclick = () => {
            window.focus();
            open();
            notice.close();
        };
    } catch {
        /* Some phones allow it to service workers alone. */
    }
}
