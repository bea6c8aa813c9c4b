import { useCallback, useEffect, useState } from "react";
import type { BrowseResult } from "../../protocol/rest";
import { showToast } from "../../ui/toasts";
import { useClient } from "../useClient";

export const isModelFile = (name: string) => /\.gguf$/i.test(name);

/* useBrowse shows one folder of models after the other. */
export function useBrowse(): {
    result: BrowseResult | null;
    error: string | null;
    go: (path: string | null) => void;
} {
    const { rest } = useClient();
    const [result, setResult] = useState<BrowseResult | null>(null);
    const [error, setError] = useState<string | null>(null);
    const go = useCallback(
        async (path: string | null) => {
            try {
                setResult(await rest.browse(path));
                setError(null);
            } catch (reason) {
                setError(reason instanceof Error ? reason.message : String(reason));
            }
        },
        [rest],
    );
    useEffect(() => void go(null), [go]);
    return { result, error, go };
}

/* useModelActions: progress and the outcome come by the socket as the model's state; what is refused at once is
 * told here. */
export function useModelActions(): { load: (path: string | null) => void; unload: () => void } {
    const { rest, model } = useClient();
    const load = useCallback(
        (path: string | null) => {
            rest.loadModel(path).catch((error: Error) => {
                if (model.get()?.state !== "failed") showToast(error.message, { isError: true });
            });
        },
        [rest, model],
    );
    const unload = useCallback(() => {
        rest.unloadModel().catch((error: Error) => showToast(error.message, { isError: true }));
    }, [rest]);
    return { load, unload };
}
