/* What the server tells of itself: its models [W66], downloads [W71], counters [W69] and log [W70]. Checked at the door. No part of the first load. */

import {
    asArray,
    asObject,
    type Json,
    number,
    numberOrNull,
    objectOrNull,
    oneOf,
    string,
    stringOrNull,
} from "./check";
import { type Download, type DownloadWish, decodeDownloads } from "./downloads";
import { MODEL_STATES } from "./frames";
import { failUnlessSuccess, type Rest } from "./rest";

export interface ModelFile {
    path: string;
    name: string;
    size: number;
    architecture: string | null;
    parameters: number | null;
    fileType: string | null;
    contextLength: number | null;
    state: (typeof MODEL_STATES)[number];
    progress: number | null;
    isPinned: boolean;
    isDefault: boolean;
    error: string | null;
    memory: {
        weights: number | null;
        kv: number | null;
        contextSize: number;
        needs: number;
        has: number | null;
        fits: boolean;
    };
}

export interface ModelList {
    models: ModelFile[];
    folder: string | null /* where downloads go */;
}

export function decodeModels(answer: Json): ModelList {
    const folders = asArray(answer.folders, "folders");
    return {
        models: asArray(answer.models, "models").map((value) => decodeModel(asObject(value, "a model"))),
        folder: typeof folders[0] === "string" ? folders[0] : null,
    };
}

function decodeModel(from: Json): ModelFile {
    const memory = objectOrNull(from, "memory") ?? {};
    return {
        path: string(from, "path"),
        name: string(from, "name"),
        size: number(from, "size"),
        architecture: stringOrNull(from, "architecture"),
        parameters: numberOrNull(from, "parameters"),
        fileType: stringOrNull(from, "file_type"),
        contextLength: numberOrNull(from, "context_length"),
        state: oneOf(from, "state", MODEL_STATES),
        progress: numberOrNull(from, "progress"),
        isPinned: from.pinned === true,
        isDefault: from.default === true,
        error: stringOrNull(from, "error"),
        memory: {
            weights: numberOrNull(memory, "weights"),
            kv: numberOrNull(memory, "kv"),
            contextSize: numberOrNull(memory, "context_size") ?? 0,
            needs: numberOrNull(memory, "needs") ?? 0,
            has: numberOrNull(memory, "has"),
            fits: memory.fits !== false,
        },
    };
}

/* How often something took how long: counts[i] took at most bounds[i]. */
export interface Histogram {
    n: number;
    counts: number[];
}

export interface Stats {
    tMs: number;
    uptimeS: number;
    tokens: number;
    running: number;
    waiting: number;
    frames: number;
    repeats: number;
    holes: number;
    connections: number;
    boundsMs: number[];
    firstToken: Histogram;
    tokenGap: Histogram;
    commit: Histogram;
    sync: Histogram;
}

const numbers = (value: unknown, what: string) => asArray(value, what).map((item) => Number(item));

function decodeHistogram(times: Json, name: string): Histogram {
    const from = asObject(times[name], name);
    return { n: number(from, "n"), counts: numbers(from.counts, "counts") };
}

export function decodeStats(from: Json): Stats {
    const answers = asObject(from.answers, "answers");
    const wire = asObject(from.wire, "wire");
    const times = asObject(from.times, "times");
    return {
        tMs: number(from, "t_ms"),
        uptimeS: number(from, "uptime_s"),
        tokens: number(answers, "tokens"),
        running: number(answers, "running"),
        waiting: number(answers, "waiting"),
        frames: number(wire, "frames"),
        repeats: number(wire, "repeats"),
        holes: number(wire, "holes"),
        connections: number(wire, "connections"),
        boundsMs: numbers(times.bounds_ms, "bounds_ms"),
        firstToken: decodeHistogram(times, "first_token"),
        tokenGap: decodeHistogram(times, "token_gap"),
        commit: decodeHistogram(times, "commit"),
        sync: decodeHistogram(times, "sync"),
    };
}

/* quantileMs is the bound that so many of the values do not pass; null: there are none, or they pass all bounds. */
export function quantileMs(histogram: Histogram, boundsMs: readonly number[], part: number): number | null {
    let seen = 0;
    for (const [i, bound] of boundsMs.entries()) {
        seen += histogram.counts[i] ?? 0;
        if (histogram.n > 0 && seen >= part * histogram.n) return bound;
    }
    return null;
}

export interface Usage {
    cpu: number /* percent */;
    ram: number;
    ramUsedMb: number | null;
    ramTotalMb: number | null;
    engineMb: number | null;
    cpuCount: number | null;
}

export function decodeUsage(from: Json): Usage {
    const details = objectOrNull(from, "details") ?? {};
    return {
        cpu: number(from, "cpu"),
        ram: number(from, "ram"),
        ramUsedMb: numberOrNull(details, "ram_used_mb"),
        ramTotalMb: numberOrNull(details, "ram_total_mb"),
        engineMb: numberOrNull(details, "engine_memory_mb"),
        cpuCount: numberOrNull(details, "cpu_count"),
    };
}

export const LOG_LEVELS: readonly string[] = [
    "error",
    "warn",
    "info",
    "debug",
    "trace",
] /* the worst first */;

export interface LogLine {
    n: number;
    time: string;
    level: string;
    text: string;
}

export function decodeLog(from: Json): { lines: LogLine[]; next: number } {
    return {
        lines: asArray(from.lines, "lines").map((value) => {
            const line = asObject(value, "a line");
            return {
                n: number(line, "n"),
                time: string(line, "time"),
                level: string(line, "level"),
                text: string(line, "text"),
            };
        }),
        next: number(from, "next"),
    };
}

export type ModelAct = "load" | "unload" | "pin" | "unpin" | "default" | "delete";

/* The calls of the dialog of the server. */
export const serverCalls = {
    async models(rest: Rest): Promise<ModelList> {
        return decodeModels(await rest.json("GET", "/api/models"));
    },

    /* load answers when the model is loaded or has failed. */
    async actOnModel(rest: Rest, act: ModelAct, path: string): Promise<void> {
        if (act === "delete") await rest.json("DELETE", "/api/models", { path });
        else if (act === "pin" || act === "unpin")
            await rest.json("POST", "/api/models/pin", { path, pinned: act === "pin" });
        else failUnlessSuccess(await rest.json("POST", `/api/models/${act}`, { path }));
    },

    async downloads(rest: Rest): Promise<Download[]> {
        return decodeDownloads(await rest.json("GET", "/api/downloads"));
    },

    async download(rest: Rest, wish: DownloadWish): Promise<void> {
        await rest.json("POST", "/api/downloads", wish);
    },

    async actOnDownload(rest: Rest, act: "pause" | "resume" | "cancel", id: string): Promise<void> {
        await rest.json("POST", `/api/downloads/${id}/${act}`, {});
    },

    async stats(rest: Rest): Promise<Stats> {
        return decodeStats(await rest.json("GET", "/api/stats"));
    },

    async usage(rest: Rest): Promise<Usage> {
        return decodeUsage(await rest.json("GET", "/api/system/usage"));
    },

    async log(rest: Rest, after: number): Promise<{ lines: LogLine[]; next: number }> {
        return decodeLog(await rest.json("GET", `/api/logs?after=${after}`));
    },
};
