import { useCallback } from "react";
import type { ChatClient } from "../../chat/client";
import { writeDraft } from "../../chat/localStore";
import type { ConversationSummary } from "../../protocol/rest";
import { showToast } from "../../ui/toasts";
import { useServices } from "../useClient";

/* Deleting can be undone for as long as its notice stands; only then is the server told. Leaving the page
 * means that it was not undone. */
export function useDelete(openId: string | null): (item: ConversationSummary) => void {
    const { client, navigate } = useServices();
    return useCallback(
        (item) => {
            client.list.hide(item.id);
            if (item.id === openId) navigate("/");
            const finish = (keepalive: boolean) => {
                window.removeEventListener("pagehide", onPageHide);
                void deleteForGood(client, item.id, keepalive);
            };
            const onPageHide = () => finish(true);
            window.addEventListener("pagehide", onPageHide);
            showToast(`Deleted “${item.title || "New conversation"}”`, {
                action: {
                    label: "Undo",
                    run: () => {
                        window.removeEventListener("pagehide", onPageHide);
                        client.list.unhide(item.id);
                    },
                },
                onGone: () => finish(false),
            });
        },
        [client, navigate, openId],
    );
}

async function deleteForGood(client: ChatClient, id: string, keepalive: boolean): Promise<void> {
    try {
        await client.rest.deleteConversation(id, keepalive);
        writeDraft(id, "");
    } catch (error) {
        client.list.unhide(id);
        showToast(error instanceof Error ? error.message : "It could not be deleted.", { isError: true });
    }
}
