/* The frames of the native protocol (docs/protocol.md part 3): one closed union, decoded and checked once.
 *
 * Field names are those of the wire turned to camelCase. An unknown type is ignored [N1]; a known type with
 * wrong fields is dropped and reported, and the hole that it leaves is found by its seq [N3]. */

import {
    asArray,
    asObject,
    boolean,
    DecodeError,
    type Json,
    number,
    numberOrNull,
    objectOrNull,
    oneOf,
    string,
    stringOrNull,
} from "./check";
import { type Download, decodeDownloads } from "./downloads";

export const PROTOCOL_VERSION = 1;

export const END_REASONS = ["stop", "length", "cancelled", "interrupted", "error"] as const;
export type EndReason = (typeof END_REASONS)[number];

const ROLES = ["user", "assistant", "system"] as const;
export type Role = (typeof ROLES)[number];

export interface WireError {
    code: string;
    text: string;
}

export interface Usage {
    promptTokens: number | null;
    cachedTokens: number | null;
    completionTokens: number | null;
    /* Of the oldest messages, which had no room in the context; null: none [N17]. */
    droppedMessages: number | null;
}

export interface Timings {
    queuedMs: number | null;
    prefillMs: number | null;
    decodeMs: number | null;
    decodePerSecond: number | null;
}

export interface Ending {
    reason: EndReason;
    error: WireError | null;
    usage: Usage | null;
    timings: Timings | null;
}

/* A call of a tool; its arguments are a JSON text, which may be half written. */
export interface ToolCall {
    id: string;
    name: string;
    arguments: string;
}

export interface MessageGeneration {
    id: string;
    continues: string | null /* the generation that this one goes on with; the content is that of both */;
    seq: number;
    ending: Ending | null /* null while it runs */;
    model: string | null;
    reasoning?: string /* what was thought, over all generations; it is no part of the content */;
    toolCalls?: ToolCall[];
}

/* A file that is sent along [W64]. */
export interface Attachment {
    id: string;
    name: string;
    type: string;
    sizeBytes: number;
    textBytes: number | null /* null: no model can read it yet */;
}

export interface Message {
    id: string;
    parent?: string | null /* [N20] null: a root; absent: the one before it */;
    role: Role;
    content: string;
    timestamp: string;
    attachments?: Attachment[] /* absent: none */;
    generation: MessageGeneration | null;
}

export const MODEL_STATES = ["none", "loading", "ready", "failed"] as const;

export interface ModelStatus {
    state: (typeof MODEL_STATES)[number];
    path: string | null /* in the state none: what would be loaded; null: there is no model at all */;
    name: string | null;
    progress: number | null /* 0 to 1 */;
    stage: string | null;
    error: string | null;
    memoryMb: number | null;
    contextSize: number | null;
    folder: string | null /* where models are put */;
}

export type Phase =
    | { phase: "queued"; position: number | null }
    | { phase: "loading"; stage: string | null; progress: number | null }
    | { phase: "prefill"; done: number; total: number; cached: number };

interface Hello {
    type: "hello";
    epoch: string;
    version: string;
    model: ModelStatus | null;
}
interface Ack {
    type: "ack";
    clientMsgId: string;
    conversation: string;
    message: string;
    generation: string;
    duplicate: boolean;
}
export interface Snapshot {
    type: "snapshot";
    conversation: string;
    epoch: string;
    title: string;
    messages: Message[] /* of all branches, in the order they were made */;
    current?: string | null /* down to which it is shown; absent: the last */;
    own?: Own;
    tokensUsed: number | null;
    maxTokens: number | null;
}
/* What a conversation has of its own [W50]. */
export interface Own {
    model: string | null;
    settings: Json | null;
}
interface CurrentFrame {
    type: "current";
    conversation: string;
    message: string | null;
}
/* Messages were deleted or brought back: a snapshot follows [N25]. */
interface ReshapedFrame {
    type: "removed" | "restored";
    conversation: string;
}
interface Resumed {
    type: "resumed";
    conversation: string;
}
interface MessageFrame {
    type: "message";
    conversation: string;
    message: Message;
}
export interface Start {
    type: "start";
    conversation: string;
    generation: string;
    continues: string | null;
    seq: number;
    message: Message;
}
export interface PhaseFrame {
    type: "phase";
    conversation: string;
    generation: string;
    phase: Phase;
}
export interface Tokens {
    type: "tokens";
    conversation: string;
    generation: string;
    seq: number;
    n: number;
    text: string;
    reasoning?: string /* [N18] the frame is one of `reasoning`, or one of `tool`: then the text is empty */;
    call?: { index: number; id: string | null; name: string | null; arguments: string };
    tokensUsed: number | null;
    maxTokens: number | null;
    stations?: Stations;
}
/* [N33] Microseconds of the server's clock. */
export interface Stations {
    sampled: number;
    committed: number;
    sent: number;
}
interface Clock {
    type: "clock";
    tUs: number;
}
interface DownloadsFrame {
    type: "downloads";
    downloads: Download[];
}
export interface End {
    type: "end";
    conversation: string;
    generation: string;
    seq: number;
    ending: Ending;
    continuedBy: string | null /* the generation that goes on with it by itself */;
}
interface Reset {
    type: "reset";
    conversation: string;
    reason: string;
}
const CONVERSATION_EVENTS = ["created", "renamed", "changed", "deleted", "restored", "running"] as const;

export interface ConversationEvent {
    type: "conversation";
    event: (typeof CONVERSATION_EVENTS)[number];
    conversation: string;
    title: string | null;
    timestamp: string | null;
    updated: string | null;
    running: boolean;
    marks: RowMarks | null;
}
/* What a list shows of it besides. */
export interface RowMarks {
    pinned: boolean;
    folder: string | null;
    archived: boolean;
    temporary: boolean;
    model: string | null;
    unread: boolean /* [N41] an answer has ended since anybody looked */;
}
/* What waits behind the answer that runs, the next one first. Not numbered: each frame is the whole list. */
export interface QueueFrame {
    type: "queue";
    conversation: string;
    messages: QueuedMessage[];
}
export interface QueuedMessage {
    id: string;
    content: string;
    timestamp: string;
    generation: string;
}

export const STORAGE_STATES = ["fine", "full", "failing", "read_only"] as const;

export interface StorageState {
    state: (typeof STORAGE_STATES)[number];
    text: string;
}
interface StorageFrame extends StorageState {
    type: "storage";
}
interface ModelFrame {
    type: "model";
    model: ModelStatus;
}
export interface ErrorFrame {
    type: "error";
    code: string;
    text: string;
    about: { type: string | null; clientMsgId: string | null; conversation: string | null };
}
interface Ping {
    type: "ping";
}

export type ServerFrame =
    | Hello
    | Ack
    | Snapshot
    | CurrentFrame
    | ReshapedFrame
    | Resumed
    | MessageFrame
    | Start
    | PhaseFrame
    | Tokens
    | End
    | Reset
    | ConversationEvent
    | QueueFrame
    | StorageFrame
    | ModelFrame
    | ErrorFrame
    | Clock
    | DownloadsFrame
    | Ping;

export interface Cursor {
    generation: string;
    epoch: string;
    after_seq: number;
}

export type ClientFrame =
    | { type: "hello"; protocol: number }
    | { type: "watch"; conversation: string; cursor?: Cursor }
    | { type: "unwatch"; conversation: string }
    | {
          type: "send";
          client_msg_id: string;
          conversation?: string;
          text: string;
          temporary?: boolean;
          own?: Json;
          attachments?: { id: string; name: string }[];
      }
    | {
          type: "edit";
          client_msg_id: string;
          conversation: string;
          message: string;
          text: string;
          attachments?: { id: string; name: string }[];
      }
    | { type: "regenerate"; client_msg_id: string; conversation: string; message: string }
    | { type: "select"; conversation: string; message: string }
    | { type: "draft"; conversation?: string; text: string }
    | { type: "continue"; client_msg_id: string; generation: string }
    | { type: "seen"; conversation: string }
    | { type: "inspect"; on: boolean }
    | { type: "stop"; generation: string }
    | { type: "stop"; conversation: string };

/* `unknown` is a type of a later protocol: no fault. `bad` is one. */
export type Decoded =
    | { kind: "frame"; frame: ServerFrame }
    | { kind: "unknown"; type: string }
    | { kind: "bad"; why: string };

export function decodeFrame(data: unknown): Decoded {
    try {
        if (typeof data !== "string") throw new DecodeError("a frame is no text");
        const from = asObject(JSON.parse(data), "a frame");
        const type = string(from, "type");
        const decode = decoders[type];
        if (!decode) return { kind: "unknown", type };
        return { kind: "frame", frame: decode(from) };
    } catch (error) {
        return { kind: "bad", why: error instanceof Error ? error.message : String(error) };
    }
}

const decoders: Record<string, ((from: Json) => ServerFrame) | undefined> = {
    __proto__: null as never,
    hello: (from) => {
        const model = objectOrNull(from, "model");
        return {
            type: "hello",
            epoch: string(from, "epoch"),
            version: stringOrNull(from, "version") ?? "",
            model: model && decodeModelStatus(model),
        };
    },
    ack: (from) => ({
        type: "ack",
        clientMsgId: string(from, "client_msg_id"),
        conversation: string(from, "conversation"),
        message: string(from, "message"),
        generation: string(from, "generation"),
        duplicate: from.duplicate === true,
    }),
    snapshot: (from) => ({
        type: "snapshot",
        conversation: string(from, "conversation"),
        epoch: string(from, "epoch"),
        title: stringOrNull(from, "title") ?? "",
        messages: asArray(from.messages, "messages").map(decodeMessage),
        ...(from.current !== undefined && { current: stringOrNull(from, "current") }),
        own: decodeOwn(from),
        tokensUsed: numberOrNull(from, "tokens_used"),
        maxTokens: numberOrNull(from, "max_tokens"),
    }),
    current: (from) => ({
        type: "current",
        conversation: string(from, "conversation"),
        message: stringOrNull(from, "message"),
    }),
    removed: (from) => ({ type: "removed", conversation: string(from, "conversation") }),
    restored: (from) => ({ type: "restored", conversation: string(from, "conversation") }),
    resumed: (from) => ({ type: "resumed", conversation: string(from, "conversation") }),
    message: (from) => ({
        type: "message",
        conversation: string(from, "conversation"),
        message: decodeMessage(from.message),
    }),
    start: (from) => ({
        type: "start",
        conversation: string(from, "conversation"),
        generation: string(from, "generation"),
        continues: stringOrNull(from, "continues"),
        seq: number(from, "seq"),
        message: decodeMessage(from.message),
    }),
    phase: (from) => ({
        type: "phase",
        conversation: string(from, "conversation"),
        generation: string(from, "generation"),
        phase: decodePhase(from),
    }),
    tokens: (from) => ({ ...decodeTokens(from), text: string(from, "text") }),
    reasoning: (from) => ({ ...decodeTokens(from), reasoning: string(from, "text") }),
    tool: (from) => {
        const call = asObject(from.call, "a call");
        return {
            ...decodeTokens(from),
            call: {
                index: number(call, "index"),
                id: stringOrNull(call, "id"),
                name: stringOrNull(call, "name"),
                arguments: stringOrNull(call, "arguments") ?? "",
            },
        };
    },
    end: (from) => ({
        type: "end",
        conversation: string(from, "conversation"),
        generation: string(from, "generation"),
        seq: number(from, "seq"),
        ending: decodeEnding(from),
        continuedBy: stringOrNull(from, "continued_by"),
    }),
    reset: (from) => ({
        type: "reset",
        conversation: string(from, "conversation"),
        reason: stringOrNull(from, "reason") ?? "",
    }),
    conversation: (from) => ({
        type: "conversation",
        event: oneOf(from, "event", CONVERSATION_EVENTS),
        conversation: string(from, "conversation"),
        title: stringOrNull(from, "title"),
        timestamp: stringOrNull(from, "timestamp"),
        updated: stringOrNull(from, "updated"),
        running: from.running === true,
        marks: from.pinned === undefined ? null : decodeMarks(from),
    }),
    queue: (from) => ({
        type: "queue",
        conversation: string(from, "conversation"),
        messages: asArray(from.messages, "messages").map(decodeQueued),
    }),
    storage: (from) => ({
        type: "storage",
        state: oneOf(from, "state", STORAGE_STATES),
        text: stringOrNull(from, "text") ?? "",
    }),
    model: (from) => ({ type: "model", model: decodeModelStatus(from) }),
    error: (from) => {
        const about = objectOrNull(from, "about") ?? {};
        return {
            type: "error",
            code: string(from, "code"),
            text: stringOrNull(from, "text") ?? "",
            about: {
                type: stringOrNull(about, "type"),
                clientMsgId: stringOrNull(about, "client_msg_id"),
                conversation: stringOrNull(about, "conversation"),
            },
        };
    },
    clock: (from) => ({ type: "clock", tUs: number(from, "t_us") }),
    downloads: (from) => ({ type: "downloads", downloads: decodeDownloads(from) }),
    ping: () => ({ type: "ping" }),
};

export function decodeOwn(from: Json): Own {
    return { model: stringOrNull(from, "model"), settings: objectOrNull(from, "settings") };
}

export function decodeMarks(from: Json): RowMarks {
    return {
        pinned: from.pinned === true,
        folder: stringOrNull(from, "folder"),
        archived: from.archived === true,
        temporary: from.temporary === true,
        model: stringOrNull(from, "model"),
        unread: from.unread === true,
    };
}

/* What the frames of all kinds of tokens have. */
function decodeTokens(from: Json): Tokens {
    const stations = objectOrNull(from, "stations");
    return {
        type: "tokens",
        conversation: string(from, "conversation"),
        generation: string(from, "generation"),
        seq: number(from, "seq"),
        n: number(from, "n"),
        text: "",
        tokensUsed: numberOrNull(from, "tokens_used"),
        maxTokens: numberOrNull(from, "max_tokens"),
        ...(stations && {
            stations: {
                sampled: number(stations, "sampled"),
                committed: number(stations, "committed"),
                sent: number(stations, "sent"),
            },
        }),
    };
}

function decodePhase(from: Json): Phase {
    const phase = oneOf(from, "phase", ["queued", "loading", "prefill"]);
    switch (phase) {
        case "queued":
            return { phase, position: numberOrNull(from, "position") };
        case "loading":
            return { phase, stage: stringOrNull(from, "stage"), progress: numberOrNull(from, "progress") };
        case "prefill":
            return {
                phase,
                done: number(from, "done"),
                total: number(from, "total"),
                cached: numberOrNull(from, "cached") ?? 0,
            };
    }
}

function decodeMessage(value: unknown): Message {
    const from = asObject(value, "a message");
    const generation = objectOrNull(from, "generation");
    return {
        id: string(from, "id"),
        parent: stringOrNull(from, "parent"),
        role: oneOf(from, "role", ROLES),
        content: string(from, "content"),
        timestamp: stringOrNull(from, "timestamp") ?? "",
        ...(Array.isArray(from.attachments) && { attachments: from.attachments.map(decodeAttachment) }),
        generation: generation && {
            id: string(generation, "id"),
            continues: stringOrNull(generation, "continues"),
            seq: number(generation, "seq"),
            ending: boolean(generation, "ended") ? decodeEnding(generation) : null,
            model: stringOrNull(generation, "model"),
            ...decodeOthers(generation),
        },
    };
}

export function decodeAttachment(value: unknown): Attachment {
    const from = asObject(value, "an attachment");
    return {
        id: string(from, "id"),
        name: string(from, "name"),
        type: stringOrNull(from, "type") ?? "",
        sizeBytes: number(from, "size"),
        textBytes: numberOrNull(from, "text_size"),
    };
}

/* Thoughts and calls: absent when there are none. */
function decodeOthers(from: Json): { reasoning?: string; toolCalls?: ToolCall[] } {
    const reasoning = stringOrNull(from, "reasoning");
    const calls = Array.isArray(from.tool_calls) ? from.tool_calls : [];
    return {
        ...(reasoning !== null && { reasoning }),
        ...(calls.length > 0 && { toolCalls: calls.map(decodeCall) }),
    };
}

function decodeCall(value: unknown): ToolCall {
    const from = asObject(value, "a call");
    return { id: string(from, "id"), name: string(from, "name"), arguments: string(from, "arguments") };
}

function decodeQueued(value: unknown): QueuedMessage {
    const from = asObject(value, "a message");
    return {
        id: string(from, "id"),
        content: string(from, "content"),
        timestamp: stringOrNull(from, "timestamp") ?? "",
        generation: string(from, "generation"),
    };
}

function decodeEnding(from: Json): Ending {
    const usage = objectOrNull(from, "usage");
    const timings = objectOrNull(from, "timings");
    return {
        reason: oneOf(from, "reason", END_REASONS),
        error: decodeError(from.error),
        usage: usage && {
            promptTokens: numberOrNull(usage, "prompt_tokens"),
            cachedTokens: numberOrNull(usage, "cached_tokens"),
            completionTokens: numberOrNull(usage, "completion_tokens"),
            droppedMessages: numberOrNull(usage, "dropped_messages"),
        },
        timings: timings && {
            queuedMs: numberOrNull(timings, "queued_ms"),
            prefillMs: numberOrNull(timings, "prefill_ms"),
            decodeMs: numberOrNull(timings, "decode_ms"),
            decodePerSecond: numberOrNull(timings, "decode_per_second"),
        },
    };
}

function decodeError(value: unknown): WireError | null {
    if (typeof value === "string") return { code: "", text: value };
    if (typeof value !== "object" || value === null) return null;
    const from = value as Json;
    return { code: stringOrNull(from, "code") ?? "", text: stringOrNull(from, "text") ?? "" };
}

/* [W21], used by REST too. People know a model by its file; what the engine calls it is the fallback. */
export function decodeModelStatus(from: Json): ModelStatus {
    const path = stringOrNull(from, "model_path");
    const model = objectOrNull(from, "model");
    return {
        state: oneOf(from, "state", MODEL_STATES),
        path,
        name:
            path && /\.gguf$/i.test(path)
                ? fileTitle(path)
                : ((model && stringOrNull(model, "name")) ?? (path && fileTitle(path))),
        progress: numberOrNull(from, "progress"),
        stage: stringOrNull(from, "stage"),
        error: decodeError(from.error)?.text ?? null,
        memoryMb: numberOrNull(from, "memory_usage_mb"),
        contextSize: numberOrNull(from, "context_size"),
        folder: stringOrNull(from, "model_folder"),
    };
}

/* fileTitle is the file's name without folders and without `.gguf`. */
export function fileTitle(path: string): string {
    return (path.split(/[\\/]/).pop() ?? path).replace(/\.gguf$/i, "");
}
