/* The REST calls of the page (docs/protocol.md part 2). Every answer is checked; every failure is an ApiError
 * whose message is fit to be shown. */

import { asArray, asObject, type Json, number, objectOrNull, string, stringOrNull } from "./check";
import {
    type Attachment,
    decodeAttachment,
    decodeMarks,
    decodeModelStatus,
    type ModelStatus,
    type RowMarks,
} from "./frames";

export class ApiError extends Error {
    readonly status: number;
    constructor(status: number, text: string) {
        super(text);
        this.status = status;
    }
}

export interface ConversationSummary extends RowMarks {
    id: string;
    title: string;
    timestamp: string;
    updated: string;
    running: boolean;
    snippet: string | null;
}

export interface BrowseEntry {
    name: string;
    path: string;
    isDirectory: boolean;
    sizeBytes: number;
}

export interface BrowseResult {
    files: BrowseEntry[];
    currentPath: string;
    parentPath: string | null;
}

/* What was found [W60]: a message, or (message null) the title. The marks are [start, length] in characters of the snippet. */
export interface SearchHit {
    conversation: string;
    title: string;
    message: string | null;
    role: string | null;
    timestamp: string;
    snippet: string;
    marks: readonly (readonly [number, number])[];
}

export interface SearchPage {
    hits: SearchHit[];
    next: string | null;
}

export interface ImportResult {
    imported: number;
    skipped: number;
    failedCount: number;
    failed: { title: string; error: string }[];
}

export const exportUrl = (id: string, format: "json" | "markdown" | "text") =>
    `/api/conversation/${encodeURIComponent(id)}/export?format=${format}`;
export const EXPORT_ALL_URL = "/api/export";
export const attachmentUrl = (id: string) => `/api/attachments/${encodeURIComponent(id)}`;

/* Who the server takes this browser for. */
export interface Caller {
    isSignedIn: boolean;
    name: string /* of the key */;
}

export interface Folder {
    name: string;
    count: number;
}

export type View = "usual" | "archived" | "trash";

export type BulkAction =
    | { action: "archive" | "unarchive" | "pin" | "unpin" | "delete" | "restore" | "purge" }
    | { action: "move"; folder: string | null };

export const CONVERSATIONS_PAGE = 200;

export class Rest {
    /* signIn gives the browser a cookie, for a key [W46]. */
    async signIn(key: string): Promise<void> {
        await this.call("POST", "/api/login", { key });
    }

    async signOut(): Promise<void> {
        await this.call("POST", "/api/logout", {});
    }

    async caller(): Promise<Caller> {
        const answer = await this.call("GET", "/api/login");
        return { isSignedIn: answer.signed_in === true, name: stringOrNull(answer, "name") ?? "" };
    }

    async conversations(
        query: { q?: string; before?: string; view?: View },
        signal?: AbortSignal,
    ): Promise<ConversationSummary[]> {
        const params = new URLSearchParams({ limit: String(CONVERSATIONS_PAGE) });
        if (query.q) params.set("q", query.q);
        if (query.before) params.set("before", query.before);
        if (query.view) params.set("view", query.view);
        const answer = await this.call("GET", `/api/conversations?${params}`, undefined, signal);
        return asArray(answer.conversations, "conversations").map((value) => {
            const from = asObject(value, "a conversation");
            const timestamp = string(from, "timestamp");
            return {
                id: string(from, "name"),
                title: stringOrNull(from, "display_name") ?? "",
                timestamp,
                updated: stringOrNull(from, "updated") ?? timestamp,
                running: from.running === true,
                snippet: stringOrNull(from, "snippet"),
                ...decodeMarks(from),
            };
        });
    }

    /* deleteConversation puts it into the trash [W19]. */
    async deleteConversation(id: string): Promise<void> {
        await this.call("DELETE", `/api/conversations/${encodeURIComponent(id)}`);
    }

    async restoreConversation(id: string): Promise<void> {
        await this.call("POST", `/api/conversations/${encodeURIComponent(id)}/restore`, {});
    }

    /* change changes what it names [W50]. */
    async change(id: string, changes: Json): Promise<void> {
        await this.call("POST", `/api/conversation/${encodeURIComponent(id)}`, changes);
    }

    /* bulk says how many of them it could not do [W53]. */
    async bulk(ids: readonly string[], action: BulkAction): Promise<number> {
        const answer = await this.call("POST", "/api/conversations/bulk", { ids: [...ids], ...action });
        return asArray(answer.failed, "failed").length;
    }

    async fork(id: string, message: string): Promise<string> {
        const path = `/api/conversation/${encodeURIComponent(id)}/fork`;
        return string(await this.call("POST", path, { message }), "conversation_id");
    }

    async deleteMessage(id: string): Promise<void> {
        await this.call("DELETE", `/api/messages/${id}`);
    }

    async restoreMessage(id: string): Promise<void> {
        await this.call("POST", `/api/messages/${id}/restore`, {});
    }

    async folders(): Promise<Folder[]> {
        const answer = await this.call("GET", "/api/folders");
        return asArray(answer.folders, "folders").map((value) => {
            const from = asObject(value, "a folder");
            return { name: string(from, "name"), count: number(from, "count") };
        });
    }

    async renameFolder(from: string, to: string): Promise<void> {
        await this.call("POST", "/api/folders/rename", { from, to });
    }

    async search(q: string, before: string | null, signal: AbortSignal): Promise<SearchPage> {
        const params = new URLSearchParams({ q });
        if (before !== null) params.set("before", before);
        const answer = await this.call("GET", `/api/search?${params}`, undefined, signal);
        return { hits: asArray(answer.hits, "hits").map(decodeHit), next: stringOrNull(answer, "next") };
    }

    async importFile(file: Blob, signal: AbortSignal): Promise<ImportResult> {
        const answer = await this.upload("/api/import", file, signal);
        return {
            imported: number(answer, "imported"),
            skipped: number(answer, "skipped"),
            failedCount: number(answer, "failed_count"),
            failed: asArray(answer.failed, "failed").map((value) => {
                const from = asObject(value, "a failure");
                return { title: string(from, "title"), error: string(from, "error") };
            }),
        };
    }

    async attach(file: Blob, name: string, signal: AbortSignal): Promise<Attachment> {
        const path = `/api/attachments?name=${encodeURIComponent(name)}`;
        return decodeAttachment(await this.upload(path, file, signal));
    }

    /* attachText gives what was taken out of a file whose bytes are no text [W65]. */
    async attachText(id: string, text: string, signal: AbortSignal): Promise<void> {
        await this.call("POST", `${attachmentUrl(id)}/text`, { text }, signal);
    }

    config(): Promise<Json> {
        return this.call("GET", "/api/config");
    }

    saveConfig(changes: Json): Promise<Json> {
        return this.call("POST", "/api/config", changes);
    }

    async modelStatus(): Promise<ModelStatus> {
        return decodeModelStatus(await this.call("GET", "/api/model/status"));
    }

    /* loadModel answers when the model is loaded or has failed; progress comes by the socket. */
    async loadModel(path: string | null): Promise<void> {
        const answer = await this.call("POST", "/api/model/load", path === null ? {} : { model_path: path });
        failUnlessSuccess(answer);
    }

    async unloadModel(): Promise<void> {
        failUnlessSuccess(await this.call("POST", "/api/model/unload", {}));
    }

    /* json is for what is loaded later and checks its answers itself. */
    json(method: string, path: string, body?: Json): Promise<Json> {
        return this.call(method, path, body);
    }

    async browse(path: string | null): Promise<BrowseResult> {
        const query = path === null ? "" : `?path=${encodeURIComponent(path)}`;
        const answer = await this.call("GET", `/api/browse${query}`);
        return {
            files: asArray(answer.files, "files").map((value) => {
                const from = asObject(value, "a file");
                return {
                    name: string(from, "name"),
                    path: string(from, "path"),
                    isDirectory: from.is_directory === true,
                    sizeBytes: typeof from.size === "number" ? number(from, "size") : 0,
                };
            }),
            currentPath: stringOrNull(answer, "current_path") ?? "",
            parentPath: stringOrNull(answer, "parent_path"),
        };
    }

    private upload(path: string, file: Blob, signal: AbortSignal): Promise<Json> {
        const headers = { "Content-Type": "application/octet-stream" };
        return this.ask(path, { method: "POST", headers, body: file, signal });
    }

    private call(
        method: string,
        path: string,
        body?: Json,
        signal?: AbortSignal,
        keepalive = false,
    ): Promise<Json> {
        const headers: Record<string, string> = {};
        if (body) headers["Content-Type"] = "application/json";
        const init: RequestInit = { method, headers, keepalive };
        if (body) init.body = JSON.stringify(body);
        if (signal) init.signal = signal;
        return this.ask(path, init);
    }

    private async ask(path: string, init: RequestInit): Promise<Json> {
        let response: Response;
        try {
            response = await fetch(path, init);
        } catch (error) {
            if (init.signal?.aborted) throw error;
            throw new ApiError(0, "The server does not answer.");
        }
        const text = await response.text();
        let answer: Json;
        try {
            answer = asObject(JSON.parse(text), "the answer");
        } catch {
            throw new ApiError(
                response.status,
                `The server gave an answer that is no JSON (${response.status}).`,
            );
        }
        if (!response.ok) throw new ApiError(response.status, errorText(answer, response.status));
        return answer;
    }
}

function decodeHit(value: unknown): SearchHit {
    const from = asObject(value, "a hit");
    return {
        conversation: string(from, "conversation"),
        title: stringOrNull(from, "title") ?? "",
        message: stringOrNull(from, "message"),
        role: stringOrNull(from, "role"),
        timestamp: string(from, "timestamp"),
        snippet: string(from, "snippet"),
        marks: asArray(from.marks, "marks").map((mark) => {
            const [start, length] = asArray(mark, "a mark");
            return [Number(start), Number(length)] as const;
        }),
    };
}

function errorText(answer: Json, status: number): string {
    const nested = objectOrNull(answer, "error");
    const text = nested ? stringOrNull(nested, "message") : stringOrNull(answer, "error");
    return text ?? stringOrNull(answer, "message") ?? `The server refused (${status}).`;
}

export function failUnlessSuccess(answer: Json): void {
    if (answer.success === false)
        throw new ApiError(200, stringOrNull(answer, "message") ?? "The server could not do it.");
}
