import { useCallback, useEffect, useRef, useState } from "react";
import { readDraftFiles, writeDraftFiles } from "../../chat/localStore";
import type { Attachment } from "../../protocol/frames";
import type { Rest } from "../../protocol/rest";
import { formatBytes } from "../../ui/format";
import { showToast } from "../../ui/toasts";
import { useClient } from "../useClient";
import { FILES_MAX, HEAD_BYTES, kindOf, shortName, TEXT_BYTES_MAX } from "./checkFile";

/* A file of the message that is being written. */
export interface DraftFile {
    key: number;
    name: string;
    sizeBytes: number;
    state: "reading" | "ready" | "failed";
    attachment: Attachment | null /* once the server has it */;
    error: string;
}

export interface DraftFiles {
    files: readonly DraftFile[];
    ready: readonly Attachment[];
    isReading: boolean;
    error: string /* of all of them together; "": none */;
    add: (files: readonly File[]) => void;
    remove: (key: number) => void;
    /* restore puts back what was not taken; clear forgets all. */
    restore: (attachments: readonly Attachment[]) => void;
    clear: () => void;
}

let nextKey = 1;

const known = (attachment: Attachment): DraftFile => ({
    key: nextKey++,
    name: attachment.name,
    sizeBytes: attachment.sizeBytes,
    state: "ready",
    attachment,
    error: "",
});

/* useFiles: the files of a draft go to the server as they are chosen, and belong to the conversation as its text does. */
export function useFiles(id: string | null): DraftFiles {
    const { rest } = useClient();
    const [files, setFiles] = useState<readonly DraftFile[]>(() => readDraftFiles(id).map(known));
    const running = useRef(new Map<number, AbortController>());
    const latest = useRef(id);
    const ready = files.flatMap((file) => (file.state === "ready" && file.attachment ? file.attachment : []));

    useEffect(() => {
        if (latest.current !== id) writeDraftFiles(latest.current, []);
        latest.current = id;
        writeDraftFiles(
            id,
            files.flatMap((file) => (file.state === "ready" && file.attachment ? file.attachment : [])),
        );
    }, [id, files]);
    useEffect(() => {
        const under = running.current;
        return () => {
            for (const abort of under.values()) abort.abort();
        };
    }, []);

    const add = useCallback(
        (chosen: readonly File[]) => {
            const room = Math.max(0, FILES_MAX - files.length);
            if (chosen.length > room) showToast(`A message takes ${FILES_MAX} files.`, { isError: true });
            for (const file of chosen.slice(0, room)) {
                const key = nextKey++;
                const abort = new AbortController();
                const name = shortName(file.name);
                const change = (by: Partial<DraftFile>) =>
                    setFiles((all) => settled(all.map((one) => (one.key === key ? { ...one, ...by } : one))));
                running.current.set(key, abort);
                setFiles((all) => [
                    ...all,
                    { key, name, sizeBytes: file.size, state: "reading", attachment: null, error: "" },
                ]);
                void keep(rest, file, name, abort.signal)
                    .then((attachment) => change({ state: "ready", attachment }))
                    .catch((error: unknown) => {
                        if (!abort.signal.aborted)
                            change({
                                state: "failed",
                                error: error instanceof Error ? error.message : String(error),
                            });
                    })
                    .finally(() => running.current.delete(key));
            }
        },
        [files.length, rest],
    );
    const remove = useCallback((key: number) => {
        running.current.get(key)?.abort();
        setFiles((all) => all.filter((file) => file.key !== key));
    }, []);
    const restore = useCallback((attachments: readonly Attachment[]) => {
        setFiles((all) => settled([...attachments.map(known), ...all]));
    }, []);
    const clear = useCallback(() => setFiles([]), []);

    const textBytes = ready.reduce((sum, file) => sum + (file.textBytes ?? 0), 0);
    return {
        files,
        ready,
        isReading: files.some((file) => file.state === "reading"),
        error:
            textBytes > TEXT_BYTES_MAX
                ? `The files have ${formatBytes(textBytes)} of text together, a message takes ${formatBytes(TEXT_BYTES_MAX)}`
                : "",
        add,
        remove,
        restore,
        clear,
    };
}

/* The same bytes are one file. */
function settled(files: readonly DraftFile[]): readonly DraftFile[] {
    const ids = new Set<string>();
    return files.filter((file) => {
        if (!file.attachment) return true;
        const isNew = !ids.has(file.attachment.id);
        ids.add(file.attachment.id);
        return isNew;
    });
}

async function keep(rest: Rest, file: File, name: string, signal: AbortSignal): Promise<Attachment> {
    const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
    const kind = kindOf(file, head);
    if (kind.kind === "refused") throw new Error(kind.why);
    const text = kind.kind === "pdf" ? await textOfPdf(file) : null;
    const attachment = await rest.attach(file, name, signal);
    if (text === null) return attachment;
    if (attachment.textBytes === null) await rest.attachText(attachment.id, text, signal);
    return { ...attachment, textBytes: new TextEncoder().encode(text).length };
}

async function textOfPdf(file: File): Promise<string> {
    const { pdfText } = await import("./pdfText");
    let text: string;
    try {
        text = await pdfText(file);
    } catch {
        throw new Error("This PDF cannot be read: it is damaged, or locked by a password.");
    }
    if (text === "") throw new Error("There is no text in this PDF: a scan has only pictures.");
    const size = new TextEncoder().encode(text).length;
    if (size > TEXT_BYTES_MAX)
        throw new Error(
            `${formatBytes(size)} of text in this PDF: a message takes ${formatBytes(TEXT_BYTES_MAX)}.`,
        );
    return text;
}
