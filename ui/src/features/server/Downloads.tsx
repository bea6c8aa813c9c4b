import { Pause, Play, X } from "lucide-react";
import { type FormEvent, useEffect, useId, useState } from "react";
import type { Download, DownloadWish } from "../../protocol/downloads";
import { serverCalls } from "../../protocol/server";
import { formatBytes, formatMs } from "../../ui/format";
import { IconButton } from "../../ui/IconButton";
import { Progress } from "../../ui/Progress";
import { showToast } from "../../ui/toasts";
import { useClient, useStore } from "../useClient";

export function Downloads({ folder }: { folder: string | null }) {
    const { rest, downloads } = useClient();
    const list = useStore(downloads);
    useEffect(() => {
        serverCalls.downloads(rest).then(
            (found) => downloads.set(found),
            () => {} /* The list of models has told of it. */,
        );
    }, [rest, downloads]);
    return (
        <section className="downloads" aria-labelledby="downloads-title">
            <h3 id="downloads-title">Downloads</h3>
            <NewDownload />
            {folder !== null && (
                <p className="field-help">Files go to {folder}, and are checked before they appear.</p>
            )}
            <ul>
                {list.map((download) => (
                    <DownloadRow key={download.id} download={download} />
                ))}
            </ul>
        </section>
    );
}

/* "owner/name/file.gguf" is a file of the hub; anything with :// is an address. */
export function wishOf(text: string, sha256: string): DownloadWish | null {
    const source = text.trim();
    const hash = sha256.trim() === "" ? {} : { sha256: sha256.trim() };
    if (source.includes("://")) return { url: source, ...hash };
    const parts = source.split("/");
    if (parts.length < 3 || parts.some((part) => part === "")) return null;
    return { repo: parts.slice(0, 2).join("/"), file: parts.slice(2).join("/"), ...hash };
}

/* The hub is a setting of the server, asked for where it is needed. */
function HubField() {
    const { rest } = useClient();
    const [hub, setHub] = useState("");
    const [note, setNote] = useState<string | null>(null);
    useEffect(() => {
        rest.config().then(
            (config) => setHub(typeof config.hub_url === "string" ? config.hub_url : ""),
            () => {} /* Saving will say what is wrong. */,
        );
    }, [rest]);
    const save = () =>
        rest.saveConfig({ hub_url: hub.trim() }).then(
            () => setNote("Saved."),
            (error: Error) => setNote(error.message),
        );
    return (
        <div className="download-fields">
            <input
                className="field-control"
                aria-label="Address of the hub"
                placeholder="Address of the hub: https://…"
                autoComplete="off"
                spellCheck={false}
                value={hub}
                data-testid="download-hub"
                onChange={(event) => {
                    setHub(event.target.value);
                    setNote(null);
                }}
            />
            <button type="button" className="button" onClick={save}>
                {note ?? "Save the hub"}
            </button>
        </div>
    );
}

function NewDownload() {
    const { rest } = useClient();
    const id = useId();
    const [source, setSource] = useState("");
    const [sha256, setSha256] = useState("");
    const [error, setError] = useState<string | null>(null);
    const begin = async (event: FormEvent) => {
        event.preventDefault();
        const wish = wishOf(source, sha256);
        if (!wish) {
            setError("An address with https://, or owner/name/file.gguf of the hub that the settings name.");
            return;
        }
        try {
            await serverCalls.download(rest, wish);
            setSource("");
            setSha256("");
            setError(null);
        } catch (reason) {
            setError(reason instanceof Error ? reason.message : String(reason));
        }
    };
    return (
        <form className="download-new" onSubmit={begin} noValidate>
            <div className="download-fields">
                <input
                    className="field-control"
                    aria-label="Address of a model file, or owner/name/file.gguf"
                    aria-invalid={error !== null}
                    aria-describedby={`${id}-error`}
                    placeholder="https://… or owner/name/file.gguf"
                    autoComplete="off"
                    spellCheck={false}
                    value={source}
                    data-testid="download-source"
                    onChange={(event) => setSource(event.target.value)}
                />
                <button
                    type="submit"
                    className="button button-primary"
                    disabled={source.trim() === ""}
                    data-testid="download-begin"
                >
                    Download
                </button>
            </div>
            {source.includes("/") && !source.includes("://") && <HubField />}
            {source.trim() !== "" && (
                <input
                    className="field-control"
                    aria-label="SHA-256, if it is known"
                    placeholder="SHA-256, if it is known: 64 digits"
                    autoComplete="off"
                    spellCheck={false}
                    value={sha256}
                    onChange={(event) => setSha256(event.target.value)}
                />
            )}
            <p className="card-error" id={`${id}-error`} role="alert" hidden={error === null}>
                {error}
            </p>
        </form>
    );
}

const WORDS: Record<Download["state"], string> = {
    queued: "Waits for the one before it",
    running: "",
    retrying: "Tries again",
    verifying: "Comparing its SHA-256",
    checking: "Reading its head",
    paused: "Paused",
    failed: "Failed",
    done: "Done",
};

export function describeDownload({ state, done, total, bytesPerSecond, error }: Download): string {
    const size =
        total === null
            ? done > 0
                ? formatBytes(done)
                : null
            : `${formatBytes(done)} of ${formatBytes(total)}`;
    const speed = bytesPerSecond ? `${formatBytes(bytesPerSecond)}/s` : null;
    const left =
        bytesPerSecond && total !== null
            ? `${formatMs(((total - done) / bytesPerSecond) * 1000)} left`
            : null;
    return [
        WORDS[state],
        state === "done" ? (total === null ? null : formatBytes(total)) : size,
        speed,
        left,
        error,
    ]
        .filter((word) => word !== null && word !== "")
        .join(" · ");
}

function DownloadRow({ download }: { download: Download }) {
    const { rest } = useClient();
    const { id, file, state, done, total } = download;
    const act = (what: "pause" | "resume" | "cancel") => () =>
        void serverCalls
            .actOnDownload(rest, what, id)
            .catch((error: Error) => showToast(error.message, { isError: true }));
    const isStopped = state === "paused" || state === "failed";
    return (
        <li className="model-card" data-testid="download" data-state={state}>
            <div className="card-line">
                <h4>{file}</h4>
                <span className="foot-space" />
                {isStopped && (
                    <IconButton label={`Resume ${file}`} icon={<Play size={16} />} onClick={act("resume")} />
                )}
                {!isStopped && state !== "done" && (
                    <IconButton label={`Pause ${file}`} icon={<Pause size={16} />} onClick={act("pause")} />
                )}
                <IconButton
                    label={state === "done" ? `Take ${file} out of the list` : `Cancel ${file}`}
                    icon={<X size={16} />}
                    onClick={act("cancel")}
                />
            </div>
            {state !== "done" && state !== "failed" && (
                <Progress
                    value={total === null ? (state === "running" ? null : 0) : done / total}
                    label={`Downloading ${file}`}
                />
            )}
            <p className={state === "failed" ? "card-error" : "card-facts"}>{describeDownload(download)}</p>
        </li>
    );
}
