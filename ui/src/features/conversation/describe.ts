/* The words for what happens to an answer. */

import type { TurnSnapshot } from "../../chat/turnStore";
import type { Ending, Phase } from "../../protocol/frames";
import { formatCount, formatMs, formatPercent, formatRate, plural } from "../../ui/format";

export interface PhaseWords {
    text: string;
    progress: number | null /* 0 to 1, null: none to show */;
}

export function describePhase(
    turn: Pick<TurnSnapshot, "status" | "phase" | "seam">,
    isConnected: boolean,
): PhaseWords {
    if (!isConnected) return { text: "Waiting for the connection", progress: null };
    if (turn.seam !== null) return seamWords(turn.seam, turn.phase);
    if (turn.phase) return phaseWords(turn.phase);
    return { text: turn.status === "sending" ? "Sending" : "Waiting for the model", progress: null };
}

/* Between two generations of one answer: only an interrupted one goes on without being asked. */
function seamWords(seam: NonNullable<TurnSnapshot["seam"]>, phase: Phase | null): PhaseWords {
    const isAsked = seam !== "interrupted" && seam !== "unknown";
    const text = isAsked ? "Goes on…" : "Interrupted, goes on…";
    if (!phase) return { text, progress: null };
    const words = phaseWords(phase);
    return { ...words, text: `${text} ${words.text}` };
}

function phaseWords(phase: Phase): PhaseWords {
    switch (phase.phase) {
        case "queued":
            return {
                text: phase.position === null ? "In the queue" : `In the queue: ${ordinal(phase.position)}`,
                progress: null,
            };
        case "loading":
            return {
                text:
                    phase.progress === null
                        ? "Loading the model"
                        : `Loading the model: ${formatPercent(phase.progress)}`,
                progress: phase.progress,
            };
        case "prefill": {
            const reused = phase.cached > 0 ? `, ${formatCount(phase.cached)} known already` : "";
            return {
                text: `Reading the prompt: ${formatCount(phase.done)} of ${plural(phase.total, "token")}${reused}`,
                progress: phase.total > 0 ? phase.done / phase.total : null,
            };
        }
    }
}

export function ordinal(n: number): string {
    const tail = n % 100;
    if (tail >= 11 && tail <= 13) return `${n}th`;
    return `${n}${["th", "st", "nd", "rd"][n % 10] ?? "th"}`;
}

export interface EndWords {
    text: string;
    level: "quiet" | "note" | "error";
}

/* describeEnd is null for an answer that ended by itself: there is nothing to say about it. */
export function describeEnd(ending: Ending): EndWords | null {
    switch (ending.reason) {
        case "stop":
            return null;
        case "length":
            return { text: "Cut off: the limit of tokens was reached.", level: "note" };
        case "cancelled":
            return { text: "Stopped.", level: "quiet" };
        case "interrupted":
            return {
                text: `Interrupted: ${ending.error?.text || "the server or the model stopped while it wrote"}. What had arrived is kept.`,
                level: "note",
            };
        case "error":
            return { text: ending.error?.text || "The model failed.", level: "error" };
    }
}

export const WENT_ON = "This answer was interrupted and then went on. Nothing of it is missing.";

export interface Figures {
    tokens: number;
    perSecond: number | null;
    firstTokenMs: number | null;
    leftOut: number;
}

export function figuresOf(ending: Ending): Figures {
    const { usage, timings } = ending;
    const hasTokens = (usage?.completionTokens ?? 1) > 0;
    const waited =
        timings?.prefillMs == null || !hasTokens ? null : timings.prefillMs + (timings.queuedMs ?? 0);
    return {
        tokens: usage?.completionTokens ?? 0,
        perSecond: timings?.decodePerSecond ?? null,
        firstTokenMs: waited,
        leftOut: usage?.droppedMessages ?? 0,
    };
}

export function rateWords(figures: Figures): string | null {
    return figures.perSecond === null || figures.perSecond <= 0
        ? null
        : `${formatRate(figures.perSecond)} tokens/s`;
}

export function otherWords(figures: Figures): string[] {
    const words = [];
    if (figures.tokens > 0) words.push(plural(figures.tokens, "token"));
    if (figures.firstTokenMs !== null) words.push(`first token after ${formatMs(figures.firstTokenMs)}`);
    if (figures.leftOut > 0) words.push(`without the oldest ${plural(figures.leftOut, "message")}`);
    return words;
}
