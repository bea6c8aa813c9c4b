import { ChevronDown } from "lucide-react";
import { useRef, useState } from "react";
import type { ConversationStore } from "../../chat/conversationStore";
import type { ModelStatus } from "../../protocol/frames";
import { formatPercent } from "../../ui/format";
import { lazily, Popup } from "../../ui/lazily";
import { PHONE, useMedia } from "../../ui/useMedia";
import type { ServerTab } from "../server/ServerDialog";
import { useClient, useStore } from "../useClient";
import { isModelOf, modelTitle, ownTitle, stateWords } from "./describeModel";
import "./models.css";

const ModelPopup = lazily(() => import("./ModelPopup"));
const ServerDialog = lazily(() => import("../server/ServerDialog"));

/* The model in the header: which one answers here, and in what state. Of one that the conversation has of its own no state is told. */
export function ModelControl({ conversation }: { conversation: ConversationStore }) {
    const chosen = useStore(useClient().model);
    const own = useStore(conversation).own.model;
    const model = own === null || isModelOf(chosen, own) ? chosen : null;
    const [isOpen, setOpen] = useState(false);
    const [tab, setTab] = useState<ServerTab | null>(null);
    const trigger = useRef<HTMLButtonElement>(null);
    /* A phone's header has room for the name alone; the dot and the popup tell the rest. */
    const noteClass = useMedia(PHONE) ? "visually-hidden" : "model-note-short";
    const title = own === null ? modelTitle(model) : ownTitle(own);
    const openServer = (wanted: ServerTab) => {
        setOpen(false);
        setTab(wanted);
    };
    return (
        <>
            <button
                ref={trigger}
                type="button"
                className="model-trigger"
                data-testid="model-status"
                data-state={model?.state ?? "unknown"}
                aria-haspopup="dialog"
                aria-expanded={isOpen}
                onClick={() => setOpen(!isOpen)}
            >
                <span className="model-dot" data-state={model?.state ?? "unknown"} />
                <span className="visually-hidden">
                    {own === null ? "Model: " : "Model of this conversation: "}
                </span>
                <span className="model-name">{title}</span>
                {own !== null && <span className={noteClass}>only here</span>}
                {model && model.path !== null && model.state !== "ready" && (
                    <span className={noteClass}>{shortState(model)}</span>
                )}
                {model?.state === "ready" && <span className="visually-hidden">, {stateWords(model)}</span>}
                <ChevronDown size={15} aria-hidden="true" />
            </button>
            <Popup
                of={ModelPopup}
                isOpen={isOpen}
                onClose={() => setOpen(false)}
                conversation={conversation}
                anchor={trigger}
                onServer={openServer}
            />
            <Popup
                of={ServerDialog}
                isOpen={tab !== null}
                onClose={() => setTab(null)}
                first={tab ?? "models"}
            />
        </>
    );
}

function shortState(model: ModelStatus): string {
    switch (model.state) {
        case "loading":
            return model.progress === null ? "loading" : formatPercent(model.progress);
        case "failed":
            return "failed";
        default:
            return "not loaded";
    }
}
