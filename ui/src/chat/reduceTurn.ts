/* What one frame does to one turn: to one answer, from its first generation to its last. Pure.
 *
 * The events of a generation are numbered from 1 without holes [N2], and a frame is applied only if its seq is
 * the next [N3]. So a repeat changes nothing, and after a hole nothing is guessed: the caller watches again from
 * its cursor. An answer that was interrupted goes on in another generation, whose text is put behind what is
 * there; it begins only after the end of the one before it. */

import type {
    End,
    Ending,
    MessageGeneration,
    Phase,
    PhaseFrame,
    Start,
    Tokens,
    ToolCall,
} from "../protocol/frames";

/* One generation of the answer. What a snapshot holds of earlier ones is known as one text only. */
export interface Part {
    generation: string;
    at: number | null /* where its text begins; null = not known */;
}

export interface TurnState {
    generation: string | null /* the newest; null until the server has named it */;
    parts: readonly Part[] /* from the first generation known to the newest */;
    seq: number /* of the last event applied; 0 = none */;
    text: string /* of all generations */;
    reasoning: string /* likewise: what was thought, and what was called [N18] */;
    calls: readonly ToolCall[];
    tokensBefore: number | null /* of the generations before the newest; null = not known */;
    goesOn: boolean /* the newest has ended, and another one is going to take its place */;
    next: string | null /* that one, as soon as it has a name */;
    phase: Phase | null;
    tokensUsed: number | null;
    maxTokens: number | null;
    ending: Ending | null /* of the newest */;
}

export type TurnFrame = Start | PhaseFrame | Tokens | End;

export type Step =
    | { kind: "applied"; state: TurnState }
    | { kind: "stale" /* known already, or of another generation */ }
    | { kind: "hole" /* something is missing before it */ };

export const NEW_TURN: TurnState = {
    generation: null,
    parts: [],
    seq: 0,
    text: "",
    reasoning: "",
    calls: [],
    tokensBefore: 0,
    goesOn: false,
    next: null,
    phase: null,
    tokensUsed: null,
    maxTokens: null,
    ending: null,
};

export function reduceTurn(state: TurnState, frame: TurnFrame): Step {
    if (frame.type === "start" && frame.continues !== null && frame.continues === state.generation)
        return goOn(state, frame);
    if (frame.type === "phase") return applyPhase(state, frame);
    if (state.generation !== null && state.generation !== frame.generation) return { kind: "stale" };
    if (frame.seq <= state.seq && lastSeq(frame) <= state.seq) return { kind: "stale" };
    if (frame.seq !== state.seq + 1) return { kind: "hole" };
    return { kind: "applied", state: applyEvent(state, frame) };
}

function applyEvent(state: TurnState, frame: Start | Tokens | End): TurnState {
    switch (frame.type) {
        case "start":
            return {
                ...state,
                generation: frame.generation,
                parts: [{ generation: frame.generation, at: 0 }],
                seq: frame.seq,
                text: frame.message.content,
            };
        case "tokens":
            return {
                ...state,
                seq: lastSeq(frame),
                text: state.text + frame.text,
                reasoning: state.reasoning + (frame.reasoning ?? ""),
                calls: frame.call ? addCall(state.calls, frame.call) : state.calls,
                phase: null,
                tokensUsed: frame.tokensUsed ?? state.tokensUsed,
                maxTokens: frame.maxTokens ?? state.maxTokens,
            };
        case "end":
            return {
                ...state,
                seq: frame.seq,
                phase: null,
                ending: frame.ending,
                goesOn: frame.continuedBy !== null,
                next: frame.continuedBy,
            };
    }
}

/* A piece of a call: id and name come with the first. */
function addCall(calls: readonly ToolCall[], piece: NonNullable<Tokens["call"]>): readonly ToolCall[] {
    const known = calls[piece.index];
    if (known) return calls.with(piece.index, grown(known, piece));
    return [...calls, grown({ id: "", name: "", arguments: "" }, piece)];
}

function grown(call: ToolCall, piece: NonNullable<Tokens["call"]>): ToolCall {
    return {
        id: piece.id ?? call.id,
        name: piece.name ?? call.name,
        arguments: call.arguments + piece.arguments,
    };
}

/* Not numbered, for the eye [N5]: in decode there is no phase, so a late one says nothing. */
function applyPhase(state: TurnState, frame: PhaseFrame): Step {
    if (state.goesOn && frame.generation === state.next)
        return { kind: "applied", state: { ...state, phase: frame.phase } };
    if (state.generation !== null && state.generation !== frame.generation) return { kind: "stale" };
    if (state.ending || hasBegun(state)) return { kind: "stale" };
    return { kind: "applied", state: { ...state, generation: frame.generation, phase: frame.phase } };
}

function goOn(state: TurnState, frame: Start): Step {
    if (!state.ending || frame.seq !== 1) return { kind: "hole" };
    return {
        kind: "applied",
        state: {
            ...state,
            generation: frame.generation,
            parts: [...state.parts, { generation: frame.generation, at: state.text.length }],
            seq: frame.seq,
            tokensBefore: state.tokensBefore === null ? null : state.tokensBefore + tokensOf(state),
            goesOn: false,
            next: null,
            ending: null,
        },
    };
}

/* restoreTurn is what a snapshot says of the answer. It holds one text: where the generations meet is kept only if it was
 * known before. */
export function restoreTurn(
    state: TurnState,
    content: string,
    generation: MessageGeneration,
    context: { used: number | null; max: number | null },
): TurnState {
    const isSame = state.generation === generation.id && content.startsWith(state.text);
    const first: Part[] = generation.continues
        ? [
              { generation: generation.continues, at: null },
              { generation: generation.id, at: null },
          ]
        : [{ generation: generation.id, at: 0 }];
    return {
        generation: generation.id,
        parts: isSame && state.parts.length > 0 ? state.parts : first,
        seq: generation.seq,
        text: content,
        reasoning: generation.reasoning ?? "",
        calls: generation.toolCalls ?? [],
        tokensBefore: isSame ? state.tokensBefore : generation.continues ? null : 0,
        goesOn: isSame && state.goesOn && generation.ending !== null,
        next: isSame && generation.ending !== null ? state.next : null,
        phase: content === "" || generation.seq <= 1 ? state.phase : null,
        tokensUsed: context.used ?? state.tokensUsed,
        maxTokens: context.max ?? state.maxTokens,
        ending: generation.ending,
    };
}

/* hasBegun: the newest generation has brought something. */
export function hasBegun(state: TurnState): boolean {
    return state.parts.length > 1
        ? state.seq > 1
        : state.text !== "" || state.reasoning !== "" || state.calls.length > 0;
}

/* isOver: nothing follows by itself. */
export function isOver(state: TurnState): boolean {
    return state.ending !== null && !state.goesOn;
}

/* tokensOf counts the newest generation's: `start` is 1 and `end` is the last, what lies between are tokens. */
export function tokensOf(state: TurnState): number {
    return Math.max(0, state.seq - (state.ending ? 2 : 1));
}

/* textOf is what one generation of the answer said; null when it is not known. */
export function textOf(state: TurnState, generation: string): string | null {
    const place = state.parts.findIndex((part) => part.generation === generation);
    const from = state.parts[place]?.at ?? null;
    if (from === null) return null;
    const next = state.parts[place + 1];
    if (next && next.at === null) return null;
    return state.text.slice(from, next?.at ?? undefined);
}

export function lastSeq(frame: Start | Tokens | End): number {
    return frame.type === "tokens" ? frame.seq + frame.n - 1 : frame.seq;
}
