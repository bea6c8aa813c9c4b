import { GitFork, Trash2 } from "lucide-react";
import { useCallback, useMemo } from "react";
import type { ConversationStore } from "../../chat/conversationStore";
import type { MenuAction } from "../../ui/MenuButton";
import { showToast } from "../../ui/toasts";
import { useServices } from "../useClient";

const wordsOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/* What can be done with a message that the server has. Deleting can be undone for as long as its notice stands, and 30 days by the server. */
export interface MessageActions {
    edit: (message: string, text: string) => void;
    regenerate: (message: string) => void;
    select: (message: string) => void;
    setEditing: (key: string | null) => void;
    more: (message: string) => MenuAction[];
}

export function useMessageActions(conversation: ConversationStore): MessageActions {
    const { client, navigate } = useServices();
    const remove = useCallback(
        async (message: string) => {
            try {
                await client.rest.deleteMessage(message);
                showToast("Deleted, with what followed", {
                    action: {
                        label: "Undo",
                        run: () =>
                            client.rest
                                .restoreMessage(message)
                                .catch((error) => showToast(wordsOf(error), { isError: true })),
                    },
                });
            } catch (error) {
                showToast(wordsOf(error), { isError: true });
            }
        },
        [client],
    );
    const fork = useCallback(
        async (message: string) => {
            if (conversation.id === null) return;
            try {
                navigate(`/c/${await client.rest.fork(conversation.id, message)}`);
                showToast("This is a copy: the first conversation stays as it is");
            } catch (error) {
                showToast(wordsOf(error), { isError: true });
            }
        },
        [client, conversation, navigate],
    );
    return useMemo(
        () => ({
            edit: (message, text) => client.edit(conversation, message, text),
            regenerate: (message) => client.regenerate(conversation, message),
            select: (message) => client.select(conversation, message),
            setEditing: (key) => conversation.setEditing(key),
            more: (message) => [
                {
                    label: "Fork from here",
                    icon: <GitFork size={15} aria-hidden="true" />,
                    run: () => void fork(message),
                },
                {
                    label: "Delete from here",
                    icon: <Trash2 size={15} aria-hidden="true" />,
                    run: () => void remove(message),
                    isDanger: true,
                },
            ],
        }),
        [client, conversation, fork, remove],
    );
}
