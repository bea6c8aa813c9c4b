/* Model files that are fetched from elsewhere [W71]. */

import { asArray, asObject, type Json, number, numberOrNull, oneOf, string, stringOrNull } from "./check";

export const DOWNLOAD_STATES = [
    "queued",
    "running",
    "retrying",
    "verifying",
    "checking",
    "paused",
    "failed",
    "done",
] as const;

export interface Download {
    id: string;
    file: string;
    url: string;
    state: (typeof DOWNLOAD_STATES)[number];
    done: number;
    total: number | null;
    bytesPerSecond: number | null;
    error: string | null;
}

export function decodeDownloads(from: Json): Download[] {
    return asArray(from.downloads, "downloads").map((value) => {
        const download = asObject(value, "a download");
        return {
            id: string(download, "id"),
            file: string(download, "file"),
            url: string(download, "url"),
            state: oneOf(download, "state", DOWNLOAD_STATES),
            done: number(download, "done"),
            total: numberOrNull(download, "total"),
            bytesPerSecond: numberOrNull(download, "bytes_per_second"),
            error: stringOrNull(download, "error"),
        };
    });
}

export type DownloadWish = { sha256?: string } & (
    | { url: string; file?: string }
    | { repo: string; file: string; revision?: string }
);
