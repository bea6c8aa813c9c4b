import { describe, expect, it } from "vitest";
import { NEW_TURN, reduceTurn, type TurnFrame, type TurnState } from "./reduceTurn";
import { end, phase, start, tokens } from "./testFrames";

function run(frames: TurnFrame[], from: TurnState = NEW_TURN): { state: TurnState; kinds: string[] } {
    const kinds: string[] = [];
    let state = from;
    for (const frame of frames) {
        const step = reduceTurn(state, frame);
        kinds.push(step.kind);
        if (step.kind === "applied") state = step.state;
    }
    return { state, kinds };
}

describe("reduceTurn", () => {
    it("puts the text together in order [N2]", () => {
        const { state } = run([start(), tokens(2, "A"), tokens(3, " b c", 3), end(6)]);
        expect(state.text).toBe("A b c");
        expect(state.seq).toBe(6);
        expect(state.ending?.reason).toBe("stop");
    });

    it("applies a frame once only, however often it comes [N3]", () => {
        const { state, kinds } = run([start(), tokens(2, "A"), tokens(2, "A"), start(), tokens(3, "B")]);
        expect(state.text).toBe("AB");
        expect(kinds).toEqual(["applied", "applied", "stale", "stale", "applied"]);
    });

    it("stops at a hole and changes nothing [N3]", () => {
        const { state, kinds } = run([start(), tokens(2, "A"), tokens(4, "C")]);
        expect(kinds.at(-1)).toBe("hole");
        expect(state.text).toBe("A");
    });

    it("takes a frame that begins with known events for a hole: half a frame cannot be applied", () => {
        const { kinds } = run([start(), tokens(2, "A"), tokens(2, "AB", 2)]);
        expect(kinds.at(-1)).toBe("hole");
    });

    it("tokens before the start are a hole", () => {
        expect(run([tokens(2, "A")]).kinds).toEqual(["hole"]);
    });

    it("an end that comes too early is a hole", () => {
        expect(run([start(), end(3)]).kinds).toEqual(["applied", "hole"]);
    });

    it("nothing follows an end (P1)", () => {
        const { state, kinds } = run([
            start(),
            end(2),
            tokens(2, "X"),
            phase({ phase: "queued", position: 1 }),
        ]);
        expect(kinds.slice(2)).toEqual(["stale", "stale"]);
        expect(state.text).toBe("");
    });

    it("frames of another generation are not for this turn", () => {
        const { kinds } = run([start(), { ...tokens(2, "A"), generation: "other" }]);
        expect(kinds.at(-1)).toBe("stale");
    });

    it("a token without text counts [W12]", () => {
        const { state } = run([start(), tokens(2, ""), tokens(3, "é")]);
        expect(state.text).toBe("é");
        expect(state.seq).toBe(3);
    });

    it("the first tokens end the phase, and a late phase says nothing [N5]", () => {
        const prefill = phase({ phase: "prefill", done: 1, total: 2, cached: 0 });
        const { state, kinds } = run([start(), prefill, tokens(2, "A"), prefill]);
        expect(kinds).toEqual(["applied", "applied", "applied", "stale"]);
        expect(state.phase).toBeNull();
    });

    it("a phase may come before the start, and names the generation", () => {
        const { state } = run([phase({ phase: "queued", position: 2 })]);
        expect(state.generation).toBe("g1");
        expect(state.seq).toBe(0);
    });

    it("tokens_used is the value after the last token of a frame [N2]", () => {
        const { state } = run([start(), { ...tokens(2, "a b", 2), tokensUsed: 42, maxTokens: 4096 }]);
        expect(state.tokensUsed).toBe(42);
        expect(state.maxTokens).toBe(4096);
    });
});
