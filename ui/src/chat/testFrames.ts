/* Frames for tests, as the socket would give them. */

import type {
    End,
    Ending,
    EndReason,
    Message,
    Phase,
    PhaseFrame,
    Snapshot,
    Start,
    Tokens,
} from "../protocol/frames";
import type { TurnOptions } from "./turnStore";

export const CONVERSATION = "chat_2026-11-22-21-05-10-123.txt";
const of = (generation: string) => ({ conversation: CONVERSATION, generation });

export function message(
    id: string,
    role: Message["role"],
    content: string,
    generation?: Message["generation"],
): Message {
    return { id, role, content, timestamp: "2026-11-22T21:05:10.123Z", generation: generation ?? null };
}

export function ending(reason: EndReason = "stop"): Ending {
    return { reason, error: null, usage: null, timings: null };
}

export function answer(
    id: string,
    content: string,
    generation: string,
    seq: number,
    ended: Ending | null,
): Message {
    return message(id, "assistant", content, { id: generation, seq, ending: ended, model: null });
}

export function start(generation = "g1", id = "a1"): Start {
    return { type: "start", ...of(generation), seq: 1, message: answer(id, "", generation, 1, null) };
}

export function tokens(seq: number, text: string, n = 1, generation = "g1"): Tokens {
    return { type: "tokens", ...of(generation), seq, n, text, tokensUsed: 10 + seq, maxTokens: 4096 };
}

export function end(seq: number, reason: EndReason = "stop", generation = "g1"): End {
    return { type: "end", ...of(generation), seq, ending: ending(reason) };
}

export function phase(value: Phase, generation = "g1"): PhaseFrame {
    return { type: "phase", ...of(generation), phase: value };
}

export function snapshot(messages: Message[], epoch = "e1"): Snapshot {
    return {
        type: "snapshot",
        conversation: CONVERSATION,
        epoch,
        title: "T",
        messages,
        tokensUsed: 9,
        maxTokens: 4096,
    };
}

/* A clock and a frame that tests turn by hand. */
export class ManualTime implements TurnOptions {
    time = 0;
    private due: (() => void)[] = [];
    readonly now = () => this.time;
    readonly schedule = (run: () => void) => {
        this.due.push(run);
    };
    /* nextFrame runs what waits for the next animation frame; it returns how many did. */
    nextFrame(): number {
        const due = this.due;
        this.due = [];
        for (const run of due) run();
        return due.length;
    }
}
