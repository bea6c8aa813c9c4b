import { Download, LoaderCircle, Upload } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { EXPORT_ALL_URL, type ImportResult } from "../../protocol/rest";
import { useClient } from "../useClient";

const IMPORT_BYTES_MAX = 256 * 1024 * 1024;

type State =
    | { step: "idle" }
    | { step: "reading"; name: string }
    | { step: "done"; result: ImportResult }
    | { step: "failed"; why: string };

/* Conversations as files: all of them out, and those of other programs in. */
export function DataSettings() {
    const client = useClient();
    const [state, setState] = useState<State>({ step: "idle" });
    const input = useRef<HTMLInputElement>(null);
    const abort = useRef<AbortController | null>(null);
    useEffect(() => () => abort.current?.abort(), []);
    const isReading = state.step === "reading";

    const take = async (file: File | undefined) => {
        if (!file) return;
        if (file.size > IMPORT_BYTES_MAX) {
            setState({ step: "failed", why: "The file is larger than 256 MB: import it in parts." });
            return;
        }
        setState({ step: "reading", name: file.name });
        abort.current = new AbortController();
        try {
            const result = await client.rest.importFile(file, abort.current.signal);
            setState({ step: "done", result });
            void client.list.refresh();
        } catch (error) {
            setState({ step: "failed", why: error instanceof Error ? error.message : String(error) });
        }
    };

    return (
        <section className="settings-section" aria-label="Conversations as files">
            <h3>Conversations as files</h3>
            <div className="field field-toggle">
                <div className="field-words">
                    <span className="field-label">Export all</span>
                    <p className="field-help">One JSON file with everything, which can be imported again.</p>
                </div>
                <a className="button data-button" href={EXPORT_ALL_URL} download data-testid="export-all">
                    <Download size={15} aria-hidden="true" />
                    Export
                </a>
            </div>
            <div className="field field-toggle">
                <div className="field-words">
                    <span className="field-label">Import</span>
                    <p className="field-help">
                        From Runnel, ChatGPT (conversations.json), Open WebUI, or a plain transcript. What is
                        here already is left as it is.
                    </p>
                </div>
                <button
                    type="button"
                    className="button data-button"
                    data-testid="import"
                    disabled={isReading}
                    onClick={() => input.current?.click()}
                >
                    {isReading ? (
                        <LoaderCircle className="spinning" size={15} aria-hidden="true" />
                    ) : (
                        <Upload size={15} aria-hidden="true" />
                    )}
                    Import…
                </button>
                <input
                    ref={input}
                    type="file"
                    hidden
                    accept=".json,.txt,application/json,text/plain"
                    aria-label="File to import"
                    data-testid="import-input"
                    onChange={(event) => {
                        void take(event.target.files?.[0]);
                        event.target.value = "";
                    }}
                />
            </div>
            <ImportState state={state} />
        </section>
    );
}

function ImportState({ state }: { state: State }) {
    if (state.step === "failed")
        return (
            <p className="field-error" role="alert">
                {state.why}
            </p>
        );
    return (
        <div role="status" data-testid="import-state" className="field-help">
            {state.step === "reading" && `Reading ${state.name}…`}
            {state.step === "done" && (
                <>
                    {importWords(state.result)}
                    {state.result.failed.length > 0 && (
                        <ul>
                            {state.result.failed.map((failure, place) => (
                                // biome-ignore lint/suspicious/noArrayIndexKey: the rows have no other identity
                                <li key={place}>
                                    {failure.title || "Without a title"}: {failure.error}
                                </li>
                            ))}
                        </ul>
                    )}
                </>
            )}
        </div>
    );
}

export function importWords({ imported, skipped, failedCount }: ImportResult): string {
    const count = (n: number) => `${n} conversation${n === 1 ? "" : "s"}`;
    const parts = [`${count(imported)} imported`];
    if (skipped > 0) parts.push(`${skipped} ${skipped === 1 ? "was" : "were"} here already`);
    if (failedCount > 0) parts.push(`${failedCount} could not be read:`);
    return `${parts.join(", ")}${failedCount > 0 ? "" : "."}`;
}
