/* Frames for tests, as the socket would give them. */

import type {
    End,
    Ending,
    EndReason,
    Message,
    Phase,
    PhaseFrame,
    QueuedMessage,
    QueueFrame,
    Snapshot,
    Start,
    Tokens,
} from "../protocol/frames";
import type { TurnOptions } from "./turnStore";

export const CONVERSATION = "chat_2026-11-22-21-05-10-123.txt";
const TIME = "2026-11-22T21:05:10.123Z";
const of = (generation: string) => ({ conversation: CONVERSATION, generation });

export function message(
    id: string,
    role: Message["role"],
    content: string,
    generation?: Message["generation"],
): Message {
    return { id, role, content, timestamp: TIME, generation: generation ?? null };
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
    continues: string | null = null,
): Message {
    return message(id, "assistant", content, { id: generation, continues, seq, ending: ended, model: null });
}

export function start(generation = "g1", id = "a1"): Start {
    const message = answer(id, "", generation, 1, null);
    return { type: "start", ...of(generation), continues: null, seq: 1, message };
}

/* The start of a generation that goes on with another one, of the same message. */
export function goesOn(continues: string, generation: string, id = "a1"): Start {
    const message = answer(id, "", generation, 1, null, continues);
    return { type: "start", ...of(generation), continues, seq: 1, message };
}

export function tokens(seq: number, text: string, n = 1, generation = "g1"): Tokens {
    return { type: "tokens", ...of(generation), seq, n, text, tokensUsed: 10 + seq, maxTokens: 4096 };
}

export function end(
    seq: number,
    reason: EndReason = "stop",
    generation = "g1",
    continuedBy: string | null = null,
): End {
    return { type: "end", ...of(generation), seq, ending: ending(reason), continuedBy };
}

/* interrupted is the end of a generation that another one goes on with by itself. */
export const interrupted = (seq: number, generation: string, continuedBy: string) =>
    end(seq, "interrupted", generation, continuedBy);

export function queued(id: string, content: string, generation: string): QueuedMessage {
    return { id, content, timestamp: TIME, generation };
}

export function queue(...messages: QueuedMessage[]): QueueFrame {
    return { type: "queue", conversation: CONVERSATION, messages };
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
