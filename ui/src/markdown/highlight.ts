/* Asks the worker for the colours of a code block. It starts with the first block that is whole. */
import { type Language, languageOf } from "./languages";

export type Kind = "" | "comment" | "keyword" | "string" | "number" | "function" | "type" | "tag";
export type Run = [text: string, kind: Kind];
export interface Job {
    id: number;
    code: string;
    language: Language;
}
export interface Result {
    id: number;
    lines: Run[][] | null;
}

const CODE_MAX = 60_000;
const KEPT_MAX = 200;

let worker: Worker | null = null;
let nextId = 1;
const waiting = new Map<number, (lines: Run[][] | null) => void>();
const kept = new Map<string, Run[][]>();

const keyOf = (code: string, language: Language) => `${language}\n${code}`;

/* A conversation that is opened again has its colours at once. */
export function knownRuns(code: string, word: string): Run[][] | null {
    const language = languageOf(word);
    return language === null ? null : (kept.get(keyOf(code, language)) ?? null);
}

export function highlight(code: string, word: string): Promise<Run[][] | null> {
    const language = languageOf(word);
    if (language === null || code.length > CODE_MAX || typeof Worker === "undefined")
        return Promise.resolve(null);
    worker ??= startWorker();
    const id = nextId++;
    return new Promise((resolve) => {
        waiting.set(id, (lines) => {
            if (lines) keep(keyOf(code, language), lines);
            resolve(lines);
        });
        worker?.postMessage({ id, code, language } satisfies Job);
    });
}

function startWorker(): Worker {
    const started = new Worker(new URL("./highlight.worker.ts", import.meta.url), { type: "module" });
    started.onmessage = ({ data }: MessageEvent<Result>) => {
        waiting.get(data.id)?.(data.lines);
        waiting.delete(data.id);
    };
    /* Its script cannot be had: what waits stays plain, and the next one tries again. */
    started.onerror = () => {
        started.terminate();
        worker = null;
        for (const done of waiting.values()) done(null);
        waiting.clear();
    };
    return started;
}

function keep(key: string, lines: Run[][]): void {
    kept.set(key, lines);
    const oldest = kept.keys().next().value;
    if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
}
