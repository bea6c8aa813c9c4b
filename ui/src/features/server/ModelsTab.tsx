import { Pin, Star, Trash2 } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { type ModelAct, type ModelFile, type ModelList, serverCalls } from "../../protocol/server";
import { formatBytes, formatCount, formatPercent } from "../../ui/format";
import { IconButton } from "../../ui/IconButton";
import { Progress } from "../../ui/Progress";
import { showToast } from "../../ui/toasts";
import { useClient, useStore } from "../useClient";
import { Downloads } from "./Downloads";

/* The list, read again whenever a model's state changes or a download is done. */
function useModelFiles(): { list: ModelList | null; error: string | null; look: () => void } {
    const { rest, model, downloads } = useClient();
    const status = useStore(model);
    const done = useStore(downloads).filter((download) => download.state === "done").length;
    const [list, setList] = useState<ModelList | null>(null);
    const [error, setError] = useState<string | null>(null);
    const look = useCallback(() => {
        serverCalls.models(rest).then(
            (found) => {
                setList(found);
                setError(null);
            },
            (reason: Error) => setError(reason.message),
        );
    }, [rest]);
    // biome-ignore lint/correctness/useExhaustiveDependencies: they are why it is read again
    useEffect(look, [look, status, done]);
    return { list, error, look };
}

export function ModelsTab() {
    const { rest } = useClient();
    const { list, error, look } = useModelFiles();
    const act = (what: ModelAct, path: string) => {
        serverCalls.actOnModel(rest, what, path).then(look, (reason: Error) => {
            showToast(reason.message, { isError: true });
            look();
        });
        look();
    };
    if (error) return <p className="server-note server-error">{error}</p>;
    if (!list) return <p className="server-note">Reading the model files…</p>;
    return (
        <>
            <ul className="model-cards" aria-label="Models">
                {list.models.map((model) => (
                    <ModelCard key={model.path} model={model} onAct={act} />
                ))}
            </ul>
            {list.models.length === 0 && (
                <p className="server-note">
                    There is no model yet: download one below, or put a file into {list.folder}.
                </p>
            )}
            <Downloads folder={list.folder} />
        </>
    );
}

function ModelCard({ model, onAct }: { model: ModelFile; onAct: (what: ModelAct, path: string) => void }) {
    const [isAsking, setAsking] = useState(false);
    const isLoaded = model.state === "ready" || model.state === "loading";
    const act = (what: ModelAct) => () => onAct(what, model.path);
    return (
        <li className="model-card" data-testid="model-card" data-state={model.state}>
            <div className="card-line">
                <span className="model-dot" data-state={model.state} />
                <h3 title={model.path}>{model.name}</h3>
                {model.isDefault && <span className="badge">default</span>}
                <div className="card-actions">
                    <IconButton
                        label={model.isPinned ? "Let it be unloaded when there is no room" : "Keep it loaded"}
                        icon={<Pin size={16} fill={model.isPinned ? "currentColor" : "none"} />}
                        aria-pressed={model.isPinned}
                        onClick={act(model.isPinned ? "unpin" : "pin")}
                    />
                    <IconButton
                        label="Use it by default"
                        icon={<Star size={16} fill={model.isDefault ? "currentColor" : "none"} />}
                        aria-pressed={model.isDefault}
                        onClick={act("default")}
                    />
                    <IconButton
                        label="Delete the file"
                        icon={<Trash2 size={16} />}
                        disabled={isLoaded}
                        onClick={() => setAsking(true)}
                    />
                    {isLoaded ? (
                        <button type="button" className="button" onClick={act("unload")}>
                            Unload
                        </button>
                    ) : (
                        <button
                            type="button"
                            className="button"
                            disabled={model.error !== null && model.state !== "failed"}
                            onClick={act("load")}
                        >
                            Load
                        </button>
                    )}
                </div>
            </div>
            <p className="card-facts">{factsOf(model).join(" · ")}</p>
            {model.state === "loading" && <Progress value={model.progress} label={`Loading ${model.name}`} />}
            {model.error !== null && <p className="card-error">{model.error}</p>}
            {model.error === null && <MemoryFit model={model} />}
            {isAsking && (
                <div className="card-ask" role="alert">
                    <span>Delete {formatBytes(model.size)} for good?</span>
                    <button type="button" className="button" onClick={() => setAsking(false)}>
                        Keep it
                    </button>
                    <button
                        type="button"
                        className="button button-danger"
                        data-testid="model-delete"
                        onClick={act("delete")}
                    >
                        Delete
                    </button>
                </div>
            )}
        </li>
    );
}

/* What it needs, against what this machine has for models. */
function MemoryFit({ model }: { model: ModelFile }) {
    const { needs, has, fits, kv, weights, contextSize } = model.memory;
    const parts =
        weights !== null && kv !== null
            ? `${formatBytes(weights)} of weights, ${formatBytes(kv)} for ${formatCount(contextSize)} tokens of context`
            : "an estimate by the size of its file";
    return (
        <div className="memory-fit" data-fits={fits}>
            {has !== null && (
                <div className="memory-bar" aria-hidden="true">
                    <div style={{ width: formatPercent(Math.min(1, needs / has)).replace(" ", "") }} />
                </div>
            )}
            <p>
                {fits ? "Fits: " : "Does not fit: "}
                about {formatBytes(needs)}
                {has !== null && ` of ${formatBytes(has)}`} of memory ({parts})
            </p>
        </div>
    );
}

function factsOf(model: ModelFile): string[] {
    return [
        model.architecture,
        model.parameters ? formatParameters(model.parameters) : null,
        model.fileType,
        model.contextLength ? `trained for ${formatCount(model.contextLength)} tokens` : null,
        formatBytes(model.size),
    ].filter((fact) => fact !== null);
}

const formatParameters = (n: number) =>
    n >= 1e9 ? `${(n / 1e9).toFixed(1)} B parameters` : `${Math.max(1, Math.round(n / 1e6))} M parameters`;
