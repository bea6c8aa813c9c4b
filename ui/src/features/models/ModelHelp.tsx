import { type ReactNode, useCallback, useEffect, useState } from "react";
import type { ModelStatus } from "../../protocol/frames";
import { formatPercent } from "../../ui/format";
import { lazily, Popup } from "../../ui/lazily";
import { Progress } from "../../ui/Progress";
import { useClient, useStore } from "../useClient";
import { isTinyModel, modelTitle, TINY_MODEL_NOTE } from "./describeModel";
import { useModelActions } from "./useModels";

const ServerDialog = lazily(() => import("../server/ServerDialog"));

/* What a newcomer should know of the model: that there is none and how to get one, that it cannot be loaded, or that it is a tiny one. */
export function ModelHelp({ isCompact = false }: { isCompact?: boolean }) {
    const model = useStore(useClient().model);
    if (!model) return null;
    if (model.state === "none" && model.path === null) return <NoModel model={model} isCompact={isCompact} />;
    if (model.state === "failed") return <BrokenModel model={model} isCompact={isCompact} />;
    if (isCompact) return null;
    return (
        <>
            {model.state === "none" && <p>The model is loaded with your first message.</p>}
            {isTinyModel(model) && <p>{TINY_MODEL_NOTE}</p>}
        </>
    );
}

interface HelpProps {
    model: ModelStatus;
    isCompact: boolean;
}

function NoModel({ model, isCompact }: HelpProps) {
    const look = useLook();
    const downloads = useStore(useClient().downloads);
    const coming = downloads.find(({ state }) => !["done", "failed", "paused"].includes(state));
    const failed = downloads.find(({ state }) => state === "failed");
    return (
        <HelpBox isCompact={isCompact} testId="no-model">
            <h2>{coming ? "A model is on its way" : "There is no model yet"}</h2>
            {coming ? (
                <div className="no-model-coming">
                    <Progress
                        value={coming.total ? coming.done / coming.total : null}
                        label={`Downloading ${coming.file}`}
                    />
                    <p>
                        {coming.file}
                        {coming.total ? `: ${formatPercent(coming.done / coming.total)}` : ""}. When it is
                        here, you can begin.
                    </p>
                </div>
            ) : (
                <>
                    {failed && (
                        <p className="model-error">
                            {failed.file} could not be downloaded: {failed.error}
                        </p>
                    )}
                    <ul>
                        <li>Download one here, by its address,</li>
                        <li>
                            or put a <code>.gguf</code> file into{" "}
                            {model.folder ? <code>{model.folder}</code> : "the model folder"},
                        </li>
                        <li>
                            or run <code>./run</code> in Runnel’s folder: it fetches a small one to try.
                        </li>
                    </ul>
                </>
            )}
            <div className="no-model-foot">
                <ModelsButton>{coming ? "Show the download" : "Download a model"}</ModelsButton>
                {!coming && (
                    <button type="button" className="button" onClick={look}>
                        Look again
                    </button>
                )}
            </div>
        </HelpBox>
    );
}

function BrokenModel({ model, isCompact }: HelpProps) {
    const { load } = useModelActions();
    return (
        <HelpBox isCompact={isCompact} testId="broken-model">
            <h2>{modelTitle(model)} could not be loaded</h2>
            {!isCompact && <p className="model-error">{model.error ?? "No reason was given."}</p>}
            <div className="no-model-foot">
                <ModelsButton>Choose another model</ModelsButton>
                <button type="button" className="button" onClick={() => load(model.path)}>
                    Try again
                </button>
            </div>
        </HelpBox>
    );
}

function HelpBox({
    isCompact,
    testId,
    children,
}: {
    isCompact: boolean;
    testId: string;
    children: ReactNode;
}) {
    return (
        <section className={isCompact ? "no-model no-model-compact" : "no-model"} data-testid={testId}>
            {children}
        </section>
    );
}

function ModelsButton({ children }: { children: ReactNode }) {
    const [isOpen, setOpen] = useState(false);
    return (
        <>
            <button
                type="button"
                className="button button-primary"
                data-testid="help-models"
                onClick={() => setOpen(true)}
            >
                {children}
            </button>
            <Popup of={ServerDialog} isOpen={isOpen} onClose={() => setOpen(false)} first="models" />
        </>
    );
}

/* Asks for the state of the model: now, when a download is done, and when somebody comes back who may just have put a file into the folder. */
function useLook(): () => void {
    const client = useClient();
    const done = useStore(client.downloads).filter(({ state }) => state === "done").length;
    const look = useCallback(() => {
        client.rest.modelStatus().then(
            (status) => client.model.set(status),
            () => {
                /* The connection's own notice tells of it. */
            },
        );
    }, [client]);
    useEffect(() => {
        window.addEventListener("focus", look);
        return () => window.removeEventListener("focus", look);
    }, [look]);
    useEffect(() => {
        if (done > 0) look();
    }, [done, look]);
    return look;
}
