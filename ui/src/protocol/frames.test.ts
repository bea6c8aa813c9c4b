import { describe, expect, it } from "vitest";
import { decodeFrame } from "./frames";

const decode = (value: unknown) => decodeFrame(JSON.stringify(value));

const MESSAGE = {
    id: "m1",
    parent: null,
    role: "assistant",
    content: "Hi",
    timestamp: "2026-11-22T21:05:10.123Z",
    generation: {
        id: "g1",
        seq: 97,
        ended: true,
        reason: "error",
        error: { code: "model", text: "gone" },
        usage: { prompt_tokens: 5, cached_tokens: 0, completion_tokens: 2 },
        timings: { queued_ms: 1, prefill_ms: 2, decode_ms: 3, decode_per_second: 58.3 },
        model: "M",
    },
};

describe("decodeFrame", () => {
    it("reads tokens", () => {
        const frame = {
            type: "tokens",
            conversation: "c",
            generation: "g",
            seq: 12,
            n: 3,
            text: " river runs",
            tokens_used: 40,
            max_tokens: 4096,
        };
        expect(decode(frame)).toEqual({
            kind: "frame",
            frame: {
                type: "tokens",
                conversation: "c",
                generation: "g",
                seq: 12,
                n: 3,
                text: " river runs",
                tokensUsed: 40,
                maxTokens: 4096,
            },
        });
    });

    it("[N18] reads thoughts and pieces of calls as tokens without text", () => {
        const of = { conversation: "c", generation: "g", seq: 2, n: 1, tokens_used: 4, max_tokens: 9 };
        const thought = decode({ ...of, type: "reasoning", text: "Hm" });
        expect(thought).toMatchObject({ frame: { type: "tokens", text: "", reasoning: "Hm", seq: 2 } });
        const piece = decode({ ...of, type: "tool", call: { index: 0, id: "c1", name: "f" } });
        expect(piece).toMatchObject({
            frame: { type: "tokens", text: "", call: { index: 0, id: "c1", name: "f", arguments: "" } },
        });
        expect(decode({ ...of, type: "tool", call: 3 }).kind).toBe("bad");
    });

    it("reads a snapshot with an ended message", () => {
        const decoded = decode({
            type: "snapshot",
            conversation: "c",
            epoch: "e",
            title: "T",
            messages: [MESSAGE],
            tokens_used: 1,
            max_tokens: 2,
        });
        if (decoded.kind !== "frame" || decoded.frame.type !== "snapshot") throw new Error("no snapshot");
        expect(decoded.frame.messages[0]?.generation).toEqual({
            id: "g1",
            continues: null,
            seq: 97,
            model: "M",
            ending: {
                reason: "error",
                error: { code: "model", text: "gone" },
                usage: { promptTokens: 5, cachedTokens: 0, completionTokens: 2, droppedMessages: null },
                timings: { queuedMs: 1, prefillMs: 2, decodeMs: 3, decodePerSecond: 58.3 },
            },
        });
    });

    it("a message that has not ended has no ending, whatever its reason says", () => {
        const running = {
            ...MESSAGE,
            generation: {
                id: "g1",
                seq: 3,
                ended: false,
                reason: null,
                usage: null,
                timings: null,
                model: null,
            },
        };
        const decoded = decode({ type: "message", conversation: "c", message: running });
        if (decoded.kind !== "frame" || decoded.frame.type !== "message") throw new Error("no message");
        expect(decoded.frame.message.generation?.ending).toBeNull();
    });

    it("reads what an answer goes on with [N12]", () => {
        const generation = { ...MESSAGE.generation, id: "g2", seq: 1, ended: false, continues: "g1" };
        const start = decode({
            type: "start",
            conversation: "c",
            generation: "g2",
            continues: "g1",
            seq: 1,
            message: { ...MESSAGE, content: "", generation },
        });
        expect(start).toMatchObject({
            kind: "frame",
            frame: { continues: "g1", message: { generation: { continues: "g1", ending: null } } },
        });
        const frame = { type: "end", conversation: "c", generation: "g1", seq: 4, reason: "interrupted" };
        expect(decode({ ...frame, continued_by: "g2" })).toMatchObject({ frame: { continuedBy: "g2" } });
        expect(decode(frame)).toMatchObject({ frame: { continuedBy: null } });
    });

    it("reads what waits, and the state of the disk [N14] [N15]", () => {
        const waiting = { id: "u2", content: "Two", timestamp: "t", generation: "g2" };
        expect(decode({ type: "queue", conversation: "c", messages: [waiting] })).toEqual({
            kind: "frame",
            frame: { type: "queue", conversation: "c", messages: [waiting] },
        });
        expect(decode({ type: "storage", state: "read_only", text: "no" })).toEqual({
            kind: "frame",
            frame: { type: "storage", state: "read_only", text: "no" },
        });
        expect(decode({ type: "storage", state: "on fire", text: "" }).kind).toBe("bad");
        expect(decode({ type: "queue", conversation: "c", messages: [{ id: "u2" }] }).kind).toBe("bad");
    });

    it("ignores unknown types [N1]", () => {
        expect(decode({ type: "from_the_future", x: 1 })).toEqual({
            kind: "unknown",
            type: "from_the_future",
        });
        expect(decode({ type: "constructor" }).kind).toBe("unknown");
        expect(decode({ type: "__proto__" }).kind).toBe("unknown");
    });

    it("ignores unknown fields [W1]", () => {
        expect(decode({ type: "ping", later: true })).toEqual({ kind: "frame", frame: { type: "ping" } });
    });

    it.each([
        ["no JSON", "{"],
        ["no object", "[]"],
        ["null", "null"],
        ["no type", "{}"],
        ["tokens without seq", '{"type":"tokens","conversation":"c","generation":"g","n":1,"text":"x"}'],
        [
            "tokens with a text that is no string",
            '{"type":"tokens","conversation":"c","generation":"g","seq":1,"n":1,"text":5}',
        ],
        [
            "an end with an unknown reason",
            '{"type":"end","conversation":"c","generation":"g","seq":2,"reason":"tired"}',
        ],
        [
            "a snapshot whose messages are no list",
            '{"type":"snapshot","conversation":"c","epoch":"e","messages":{}}',
        ],
        ["a model in an unknown state", '{"type":"model","state":"asleep"}'],
    ])("finds fault with %s", (_what, text) => {
        expect(decodeFrame(text).kind).toBe("bad");
    });

    it("binary frames are a fault", () => {
        expect(decodeFrame(new ArrayBuffer(2)).kind).toBe("bad");
    });

    it("calls a model by its file, and by the name that the engine tells if there is none", () => {
        const named = (path: string | null, model: object | null) => {
            const decoded = decode({ type: "model", state: "ready", model_path: path, model });
            if (decoded.kind !== "frame" || decoded.frame.type !== "model") throw new Error("no model");
            return decoded.frame.model.name;
        };
        expect(named("/m/Tiny-Q4.gguf", { name: "Mix1 Ep2" })).toBe("Tiny-Q4");
        expect(named("/m/script.json", { name: "fake" })).toBe("fake");
        expect(named(null, null)).toBeNull();
    });

    it("reads each phase", () => {
        const of = (fields: object) =>
            decode({ type: "phase", conversation: "c", generation: "g", ...fields });
        expect(of({ phase: "queued", position: null })).toMatchObject({
            frame: { phase: { position: null } },
        });
        expect(of({ phase: "loading", stage: "weights", progress: 0.42 })).toMatchObject({
            frame: { phase: { progress: 0.42 } },
        });
        expect(of({ phase: "prefill", done: 8, total: 31, cached: 0 })).toMatchObject({
            frame: { phase: { done: 8, total: 31 } },
        });
    });
});
