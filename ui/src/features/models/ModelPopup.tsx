import { Popover } from "@base-ui/react/popover";
import { Activity, Boxes, Folder, FolderUp } from "lucide-react";
import type { RefObject } from "react";
import type { ConversationStore } from "../../chat/conversationStore";
import { fileTitle, type ModelStatus } from "../../protocol/frames";
import type { BrowseEntry } from "../../protocol/rest";
import { formatBytes, formatCount } from "../../ui/format";
import type { PopupProps } from "../../ui/lazily";
import { Progress } from "../../ui/Progress";
import { showToast } from "../../ui/toasts";
import type { ServerTab } from "../server/ServerDialog";
import { useClient, useStore } from "../useClient";
import { isTinyModel, modelTitle, ownTitle, stateWords, TINY_MODEL_NOTE } from "./describeModel";
import { isModelFile, useBrowse, useModelActions } from "./useModels";

interface ModelPopupProps extends PopupProps {
    conversation: ConversationStore;
    anchor: RefObject<HTMLElement | null>;
    onServer: (tab: ServerTab) => void;
}

/* The model that answers, and others to choose. All that can be done with them is in the dialog of the server. */
export default function ModelPopup({ isOpen, onClose, conversation, anchor, onServer }: ModelPopupProps) {
    const model = useStore(useClient().model);
    const own = useOwnModel(conversation);
    return (
        <Popover.Root open={isOpen} onOpenChange={(next) => !next && onClose()}>
            <Popover.Portal>
                <Popover.Positioner
                    anchor={anchor}
                    sideOffset={6}
                    align="start"
                    className="popover-positioner"
                >
                    <Popover.Popup className="popover model-popup" aria-label="Model" finalFocus={anchor}>
                        {own.name !== null && <OwnModel name={own.name} onClear={() => own.change(null)} />}
                        {own.name === null && model && <CurrentModel model={model} />}
                        <ModelList
                            model={model}
                            own={own.name}
                            onOwn={own.name === null ? null : own.change}
                        />
                        <div className="model-foot">
                            <button
                                type="button"
                                className="model-row"
                                data-testid="models-open"
                                onClick={() => onServer("models")}
                            >
                                <Boxes size={15} aria-hidden="true" />
                                <span>All models and downloads</span>
                            </button>
                            <button
                                type="button"
                                className="model-row"
                                data-testid="monitor-open"
                                onClick={() => onServer("monitor")}
                            >
                                <Activity size={15} aria-hidden="true" />
                                <span>Monitor, inspector, log, programs</span>
                            </button>
                        </div>
                    </Popover.Popup>
                </Popover.Positioner>
            </Popover.Portal>
        </Popover.Root>
    );
}

/* useOwnModel: the model that the conversation has of its own, and another one, or none, in its place. */
function useOwnModel(conversation: ConversationStore): {
    name: string | null;
    change: (name: string | null) => void;
} {
    const client = useClient();
    const { own } = useStore(conversation);
    const change = (name: string | null) => {
        client
            .changeOwn(conversation, { ...own, model: name })
            .catch((error: Error) => showToast(error.message, { isError: true }));
    };
    return { name: own.model, change };
}

function OwnModel({ name, onClear }: { name: string; onClear: () => void }) {
    return (
        <section className="model-current" data-testid="own-model-note">
            <div className="model-line">
                <Popover.Title className="model-title">{ownTitle(name)}</Popover.Title>
                <button type="button" className="button" data-testid="own-model-clear" onClick={onClear}>
                    As elsewhere
                </button>
            </div>
            <p className="model-facts">
                Answers in this conversation alone. What is chosen here is for it alone, too.
            </p>
        </section>
    );
}

function CurrentModel({ model }: { model: ModelStatus }) {
    const { load, unload } = useModelActions();
    const facts = [
        stateWords(model),
        model.state === "ready" && model.memoryMb
            ? `${formatCount(Math.round(model.memoryMb))} MB of memory`
            : null,
        model.state === "ready" && model.contextSize
            ? `context of ${formatCount(model.contextSize)} tokens`
            : null,
    ].filter((fact) => fact !== null);
    return (
        <section className="model-current">
            <div className="model-line">
                <Popover.Title className="model-title">{modelTitle(model)}</Popover.Title>
                {model.state === "ready" && (
                    <button type="button" className="button" data-testid="model-unload" onClick={unload}>
                        Unload
                    </button>
                )}
                {(model.state === "none" || model.state === "failed") && model.path !== null && (
                    <button
                        type="button"
                        className="button"
                        data-testid="model-load"
                        onClick={() => load(model.path)}
                    >
                        {model.state === "failed" ? "Try again" : "Load"}
                    </button>
                )}
            </div>
            {model.path !== null && <p className="model-facts">{facts.join(" · ")}</p>}
            {model.state === "loading" && <Progress value={model.progress} label="Loading the model" />}
            {model.state === "failed" && (
                <p className="model-error">{model.error ?? "No reason was given."}</p>
            )}
            {isTinyModel(model) && <p className="model-note">{TINY_MODEL_NOTE}</p>}
        </section>
    );
}

interface ModelListProps {
    model: ModelStatus | null;
    own: string | null;
    onOwn: ((name: string) => void) | null /* null: what is chosen answers everywhere */;
}

function ModelList({ model, own, onOwn }: ModelListProps) {
    const { load } = useModelActions();
    const isCurrent = (file: BrowseEntry) =>
        own === null ? isLoaded(model, file.path) : fileTitle(file.name) === ownTitle(own);
    const { result, error, go } = useBrowse();
    if (error) return <p className="model-error">{error}</p>;
    if (!result) return null;
    const entries = result.files.filter((file) => file.isDirectory || isModelFile(file.name));
    return (
        <section className="model-list" aria-label="Models in this folder">
            <h2 title={result.currentPath}>{result.currentPath}</h2>
            <ul>
                {result.parentPath !== null && result.parentPath !== result.currentPath && (
                    <li>
                        <button type="button" className="model-row" onClick={() => go(result.parentPath)}>
                            <FolderUp size={15} aria-hidden="true" />
                            <span>Folder above</span>
                        </button>
                    </li>
                )}
                {entries.map((file) => (
                    <li key={file.path}>
                        {file.isDirectory ? (
                            <button type="button" className="model-row" onClick={() => go(file.path)}>
                                <Folder size={15} aria-hidden="true" />
                                <span>{file.name}</span>
                            </button>
                        ) : (
                            <button
                                type="button"
                                className="model-row"
                                data-testid="model-item"
                                aria-current={isCurrent(file) || undefined}
                                disabled={isCurrent(file) || (!onOwn && model?.state === "loading")}
                                onClick={() => (onOwn ? onOwn(file.name) : load(file.path))}
                            >
                                <span
                                    className="model-dot"
                                    data-state={isLoaded(model, file.path) ? "ready" : "none"}
                                />
                                <span title={file.name}>{fileTitle(file.name)}</span>
                                <small>{formatBytes(file.sizeBytes)}</small>
                            </button>
                        )}
                    </li>
                ))}
            </ul>
            {entries.length === 0 && (
                <p className="model-note">
                    There is no .gguf file here. Put one into this folder, or run ./run.
                </p>
            )}
        </section>
    );
}

const isLoaded = (model: ModelStatus | null, path: string) => model?.state === "ready" && model.path === path;
