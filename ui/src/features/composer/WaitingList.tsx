import { X } from "lucide-react";
import type { ConversationStore } from "../../chat/conversationStore";
import type { Waiting } from "../../chat/waiting";
import { IconButton } from "../../ui/IconButton";
import { useClient, useStore } from "../useClient";

/* What was sent while an answer runs, in the order in which it will be answered. */
export function WaitingList({ conversation }: { conversation: ConversationStore }) {
    const client = useClient();
    const { waiting } = useStore(conversation);
    if (waiting.length === 0) return null;
    return (
        <section className="waiting" data-testid="queue" aria-label="Messages that wait for their turn">
            <ol>
                {waiting.map((entry, place) => (
                    <WaitingEntry
                        key={entry.key}
                        entry={entry}
                        place={place + 1}
                        onCancel={() => client.cancelWaiting(conversation, entry.key)}
                    />
                ))}
            </ol>
        </section>
    );
}

interface WaitingEntryProps {
    entry: Waiting;
    place: number;
    onCancel: () => void;
}

function WaitingEntry({ entry, place, onCancel }: WaitingEntryProps) {
    return (
        <li
            data-testid="queued-message"
            data-place={place}
            data-generation={entry.generation ?? undefined}
            data-pending={entry.id === null || undefined}
            data-cancelled={entry.isCancelled || undefined}
        >
            <span className="waiting-place">{place === 1 ? "Next" : place}</span>
            <span className="waiting-text" dir="auto" title={entry.content}>
                {entry.content || entry.attachments?.map((file) => file.name).join(", ")}
            </span>
            <IconButton
                className="waiting-cancel"
                data-testid="queued-cancel"
                label="Do not send this message"
                icon={<X size={15} aria-hidden="true" />}
                disabled={entry.isCancelled}
                onClick={onCancel}
            />
        </li>
    );
}
