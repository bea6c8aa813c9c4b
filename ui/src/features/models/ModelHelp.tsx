import { useCallback, useEffect } from "react";
import type { ModelStatus } from "../../protocol/frames";
import { useClient, useStore } from "../useClient";
import { isTinyModel, TINY_MODEL_NOTE } from "./describeModel";

/* What a newcomer should know of the model: that there is none and how to get one, or that it is a tiny one. */
export function ModelHelp({ isCompact = false }: { isCompact?: boolean }) {
    const model = useStore(useClient().model);
    if (!model) return null;
    if (model.state === "none" && model.path === null) return <NoModel model={model} isCompact={isCompact} />;
    if (isCompact) return null;
    return (
        <>
            {model.state === "none" && <p>The model is loaded with your first message.</p>}
            {isTinyModel(model) && <p>{TINY_MODEL_NOTE}</p>}
        </>
    );
}

function NoModel({ model, isCompact }: { model: ModelStatus; isCompact: boolean }) {
    const client = useClient();
    const look = useCallback(() => {
        client.rest.modelStatus().then(
            (status) => client.model.set(status),
            () => {
                /* The connection's own notice tells of it. */
            },
        );
    }, [client]);
    /* Whoever comes back to the page may just have put a file into the folder. */
    useEffect(() => {
        window.addEventListener("focus", look);
        return () => window.removeEventListener("focus", look);
    }, [look]);
    return (
        <section className={isCompact ? "no-model no-model-compact" : "no-model"} data-testid="no-model">
            <h2>There is no model yet</h2>
            <ul>
                <li>
                    Put a <code>.gguf</code> file into{" "}
                    {model.folder ? <code>{model.folder}</code> : "the model folder"}, or
                </li>
                <li>
                    run <code>./run</code> in Runnel’s folder: it fetches a small one to try.
                </li>
            </ul>
            <button type="button" className="button" onClick={look}>
                Look again
            </button>
        </section>
    );
}
