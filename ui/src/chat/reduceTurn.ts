/* What one frame does to one turn. Pure.
 *
 * The events of a generation are numbered from 1 without holes [N2], and a frame is applied only if its seq is
 * the next [N3]. So a repeat changes nothing, and after a hole nothing is guessed: the caller watches again from
 * its cursor. */

import type { End, Ending, Phase, PhaseFrame, Start, Tokens } from "../protocol/frames";

export interface TurnState {
    generation: string | null /* null until the server has named it */;
    seq: number /* of the last event applied; 0 = none */;
    text: string;
    phase: Phase | null;
    tokensUsed: number | null;
    maxTokens: number | null;
    ending: Ending | null;
}

export type TurnFrame = Start | PhaseFrame | Tokens | End;

export type Step =
    | { kind: "applied"; state: TurnState }
    | { kind: "stale" /* known already, or of another generation */ }
    | { kind: "hole" /* something is missing before it */ };

export const NEW_TURN: TurnState = {
    generation: null,
    seq: 0,
    text: "",
    phase: null,
    tokensUsed: null,
    maxTokens: null,
    ending: null,
};

export function reduceTurn(state: TurnState, frame: TurnFrame): Step {
    if (state.generation !== null && state.generation !== frame.generation) return { kind: "stale" };
    if (frame.type === "phase") {
        /* Not numbered, for the eye [N5]: in decode there is no phase, so a late one says nothing. */
        if (state.ending || state.text !== "") return { kind: "stale" };
        return { kind: "applied", state: { ...state, generation: frame.generation, phase: frame.phase } };
    }
    if (frame.seq <= state.seq && lastSeq(frame) <= state.seq) return { kind: "stale" };
    if (frame.seq !== state.seq + 1) return { kind: "hole" };
    switch (frame.type) {
        case "start":
            return {
                kind: "applied",
                state: {
                    ...state,
                    generation: frame.generation,
                    seq: frame.seq,
                    text: frame.message.content,
                },
            };
        case "tokens":
            return {
                kind: "applied",
                state: {
                    ...state,
                    seq: lastSeq(frame),
                    text: state.text + frame.text,
                    phase: null,
                    tokensUsed: frame.tokensUsed ?? state.tokensUsed,
                    maxTokens: frame.maxTokens ?? state.maxTokens,
                },
            };
        case "end":
            return {
                kind: "applied",
                state: { ...state, seq: frame.seq, phase: null, ending: frame.ending },
            };
    }
}

export function lastSeq(frame: Start | Tokens | End): number {
    return frame.type === "tokens" ? frame.seq + frame.n - 1 : frame.seq;
}
