import { describe, expect, it } from "vitest";
import {
    isOver,
    NEW_TURN,
    reduceTurn,
    restoreTurn,
    type TurnFrame,
    type TurnState,
    textOf,
} from "./reduceTurn";
import { answer, end, ending, goesOn, interrupted, phase, start, tokens } from "./testFrames";

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

describe("an answer that goes on", () => {
    const BROKEN = [start(), tokens(2, "A"), tokens(3, " b"), interrupted(4, "g1", "g2")];

    it("puts the text of the next generation behind what is there [N12]", () => {
        const { state, kinds } = run([
            ...BROKEN,
            goesOn("g1", "g2"),
            tokens(2, " c", 1, "g2"),
            end(3, "stop", "g2"),
        ]);
        expect(kinds).not.toContain("hole");
        expect(state.text).toBe("A b c");
        expect(state.generation).toBe("g2");
        expect(state.ending?.reason).toBe("stop");
        expect(state.tokensBefore).toBe(2);
    });

    it("is not over between its generations", () => {
        const { state } = run(BROKEN);
        expect(isOver(state)).toBe(false);
        expect(state.next).toBe("g2");
        expect(isOver(run([...BROKEN, goesOn("g1", "g2"), end(2, "stop", "g2")]).state)).toBe(true);
    });

    it("an end without a successor is an end", () => {
        expect(isOver(run([start(), end(2, "interrupted")]).state)).toBe(true);
    });

    it("applies every frame of both generations once only (P2)", () => {
        const frames = [...BROKEN, goesOn("g1", "g2"), tokens(2, " c", 1, "g2")];
        const once = run(frames).state;
        const { state, kinds } = run([...frames, ...frames]);
        expect(state).toEqual(once);
        expect(new Set(kinds.slice(frames.length))).toEqual(new Set(["stale"]));
    });

    it("a start that goes on before the end of the generation before it is a hole [N3]", () => {
        const { state, kinds } = run([start(), tokens(2, "A"), goesOn("g1", "g2")]);
        expect(kinds.at(-1)).toBe("hole");
        expect(state.generation).toBe("g1");
    });

    it("a hole in the second generation is one, too", () => {
        expect(run([...BROKEN, goesOn("g1", "g2"), tokens(3, "x", 1, "g2")]).kinds.at(-1)).toBe("hole");
    });

    it("keeps what each generation said", () => {
        const { state } = run([
            ...BROKEN,
            goesOn("g1", "g2"),
            tokens(2, " c", 1, "g2"),
            interrupted(3, "g2", "g3"),
            goesOn("g2", "g3"),
            tokens(2, " d", 1, "g3"),
        ]);
        expect(["g1", "g2", "g3", "g4"].map((id) => textOf(state, id))).toEqual(["A b", " c", " d", null]);
    });

    it("takes the phase of the next generation, before its start and after it", () => {
        const load = (generation: string) =>
            phase({ phase: "loading", stage: null, progress: 0.5 }, generation);
        expect(run([...BROKEN, load("g2")]).state.phase?.phase).toBe("loading");
        expect(run([...BROKEN, load("g2"), goesOn("g1", "g2")]).state.phase?.phase).toBe("loading");
        const { state, kinds } = run([
            ...BROKEN,
            goesOn("g1", "g2"),
            load("g2"),
            tokens(2, "", 1, "g2"),
            load("g2"),
        ]);
        expect(kinds.at(-1)).toBe("stale");
        expect(state.phase).toBeNull();
    });

    it("a snapshot in the second generation has the whole text, and goes on at its seq + 1", () => {
        const { content, generation } = answer("a1", "A b c", "g2", 2, null, "g1");
        if (!generation) throw new Error();
        const restored = restoreTurn(NEW_TURN, content, generation, { used: null, max: null });
        expect(textOf(restored, "g2")).toBeNull();
        const { state } = run([tokens(3, " d", 1, "g2")], restored);
        expect(state.text).toBe("A b c d");
    });

    it("a snapshot of what is known already forgets nothing of it", () => {
        const known = run([...BROKEN, goesOn("g1", "g2"), tokens(2, " c", 1, "g2")]).state;
        const { content, generation } = answer("a1", "A b c d", "g2", 3, ending(), "g1");
        if (!generation) throw new Error();
        const restored = restoreTurn(known, content, generation, { used: null, max: null });
        expect(["g1", "g2"].map((id) => textOf(restored, id))).toEqual(["A b", " c d"]);
        expect(restored.tokensBefore).toBe(2);
    });
});
