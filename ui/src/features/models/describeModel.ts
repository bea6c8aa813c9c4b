import { fileTitle, type ModelStatus } from "../../protocol/frames";
import { formatPercent } from "../../ui/format";

export function modelTitle(model: ModelStatus | null): string {
    if (!model) return "Model";
    return model.name ?? "No model";
}

/* What a conversation has of its own is the name of a file. */
export const ownTitle = (own: string): string => fileTitle(own);

export const isModelOf = (model: ModelStatus | null, own: string): boolean =>
    model?.path != null && fileTitle(model.path) === fileTitle(own);

export function stateWords(model: ModelStatus): string {
    switch (model.state) {
        case "none":
            return "Not loaded";
        case "loading":
            return model.progress === null ? "Loading" : `Loading ${formatPercent(model.progress)}`;
        case "ready":
            return "Ready";
        case "failed":
            return "Could not be loaded";
    }
}

export const TINY_MODEL_NOTE =
    "SmolLM2 135M is a tiny model: good for trying Runnel, but it is often wrong. For real work load a larger GGUF.";

export const isTinyModel = (model: ModelStatus | null): boolean =>
    model !== null && /smollm2?[^a-z0-9]*135m/i.test(`${model.name ?? ""} ${model.path ?? ""}`);
