import { describe, expect, it } from "vitest";
import { answer, end, ending, goesOn, interrupted, ManualTime, phase, start, tokens } from "./testFrames";
import { TurnStore } from "./turnStore";

function setUp(sentAt: number | null = 0) {
    const time = new ManualTime();
    const turn = new TurnStore(time, sentAt);
    let told = 0;
    turn.subscribe(() => told++);
    return { time, turn, told: () => told };
}

describe("TurnStore", () => {
    it("tells of the first token at once, and of the rest once per animation frame", () => {
        const { time, turn, told } = setUp();
        turn.apply(start());
        time.nextFrame();
        const before = told();
        turn.apply(tokens(2, "A"));
        expect(told()).toBe(before + 1);
        for (let seq = 3; seq < 60; seq++) turn.apply(tokens(seq, " b"));
        expect(told()).toBe(before + 1);
        expect(time.nextFrame()).toBe(1);
        expect(told()).toBe(before + 2);
        expect(turn.get().seq).toBe(59);
    });

    it("times the thoughts, from the first one to the first word", () => {
        const { time, turn } = setUp();
        turn.apply(start());
        time.time = 1000;
        turn.apply({ ...tokens(2, ""), reasoning: "Hm" });
        expect(turn.get()).toMatchObject({ thoughtAt: 1000, thoughtMs: null });
        time.time = 4000;
        turn.apply({ ...tokens(3, ""), reasoning: "." });
        turn.apply(tokens(4, "Yes"));
        time.time = 9000;
        turn.apply(end(5));
        expect(turn.get()).toMatchObject({ thoughtAt: 1000, thoughtMs: 3000 });
    });

    it("does not time thoughts whose beginning it has not seen", () => {
        const { turn } = setUp(null);
        const found = answer("a1", "", "g1", 2, null);
        if (found.generation) found.generation.reasoning = "Hm";
        turn.restore(found, { used: null, max: null });
        turn.apply({ ...tokens(3, ""), reasoning: "." });
        turn.apply(tokens(4, "Yes"));
        expect(turn.get()).toMatchObject({ thoughtAt: null, thoughtMs: null });
    });

    it("tells of the end at once", () => {
        const { turn, told } = setUp();
        turn.apply(start());
        turn.apply(tokens(2, "A"));
        const before = told();
        turn.apply(end(3, "length"));
        expect(told()).toBe(before + 1);
        expect(turn.get().status).toBe("ended");
        expect(turn.get().ending?.reason).toBe("length");
    });

    it("a snapshot is the same object until something is told", () => {
        const { turn } = setUp();
        turn.apply(start());
        expect(turn.get()).toBe(turn.get());
    });

    it("settled blocks keep their identity while the tail grows", () => {
        const { time, turn } = setUp();
        turn.apply(start());
        turn.apply(tokens(2, "One.\n\nTwo"));
        const { settled } = turn.get();
        turn.apply(tokens(3, " more"));
        time.nextFrame();
        expect(turn.get().settled).toBe(settled);
        expect(turn.get().tail).toBe("Two more");
    });

    it("goes from sending over waiting to streaming", () => {
        const { turn } = setUp();
        expect(turn.get().status).toBe("sending");
        turn.accept("g1");
        expect(turn.get().status).toBe("waiting");
        turn.apply(start());
        turn.apply(phase({ phase: "queued", position: 2 }));
        turn.apply(tokens(2, "x"));
        expect(turn.get().status).toBe("streaming");
        expect(turn.get().phase).toBeNull();
    });

    it("counts tokens by their seq, also those that came before a reload", () => {
        const { turn } = setUp(null);
        turn.restore(answer("a1", "five tokens were here", "g1", 6, null), { used: 20, max: 4096 });
        expect(turn.get().tokens).toBe(5);
        turn.apply(tokens(7, " and", 1));
        turn.apply(end(8));
        expect(turn.get().tokens).toBe(6);
    });

    it("measures the time to the first token from the sending", () => {
        const { time, turn } = setUp(100);
        turn.apply(start());
        time.time = 480;
        turn.apply(tokens(2, "x"));
        expect(turn.get().firstTokenMs).toBe(380);
    });

    it("measures the speed of what arrives", () => {
        const { time, turn } = setUp();
        turn.apply(start());
        for (let seq = 2; seq < 102; seq++) {
            time.time += 20;
            turn.apply(tokens(seq, " x"));
        }
        time.nextFrame();
        expect(turn.get().tokensPerSecond).toBeCloseTo(50, 0);
    });

    it("a catch-up after an absence does not count as speed", () => {
        const { time, turn } = setUp(null);
        turn.restore(answer("a1", "x", "g1", 2, null), { used: null, max: null });
        turn.apply(tokens(3, "y".repeat(1000), 1000));
        for (let seq = 1003; seq < 1023; seq++) {
            time.time += 50;
            turn.apply(tokens(seq, " x"));
        }
        time.nextFrame();
        expect(turn.get().tokensPerSecond).toBeCloseTo(20, 0);
    });

    it("a snapshot that goes on from the known text keeps the settled blocks", () => {
        const { turn } = setUp();
        turn.apply(start());
        turn.apply(tokens(2, "One.\n\nTwo"));
        turn.restore(answer("a1", "One.\n\nTwo three.\n\nFour", "g1", 5, null), { used: null, max: null });
        expect(turn.get().settled).toEqual(["One.\n\n", "Two three.\n\n"]);
        expect(turn.get().tail).toBe("Four");
        expect(turn.text).toBe("One.\n\nTwo three.\n\nFour");
    });

    it("a snapshot with another text replaces the whole (P3)", () => {
        const { turn } = setUp();
        turn.apply(start());
        turn.apply(tokens(2, "Something else"));
        turn.restore(answer("a1", "Good", "g1", 3, ending("interrupted")), { used: null, max: null });
        expect(turn.text).toBe("Good");
        expect(turn.get().tail).toBe("Good");
        expect(turn.get().status).toBe("ended");
    });

    it("an interrupted answer goes on in the same blocks, and says so only while it waits", () => {
        const { time, turn } = setUp();
        turn.apply(start());
        turn.apply(tokens(2, "One.\n\nTwo"));
        const { settled } = turn.get();
        turn.apply(interrupted(3, "g1", "g2"));
        expect(turn.get()).toMatchObject({
            status: "waiting",
            seam: "interrupted",
            ending: null,
            wentOn: false,
        });
        turn.apply(goesOn("g1", "g2"));
        time.nextFrame();
        expect(turn.get()).toMatchObject({ status: "waiting", seam: "interrupted", generation: "g2" });
        turn.apply(tokens(2, " more", 1, "g2"));
        expect(turn.get()).toMatchObject({ status: "streaming", seam: null, wentOn: true, tail: "Two more" });
        expect(turn.get().settled).toBe(settled);
        turn.apply(end(3, "stop", "g2"));
        expect(turn.get()).toMatchObject({ status: "ended", seam: null, wentOn: true, tokens: 2 });
    });

    it("after a reload between two generations it still says that it goes on", () => {
        const { turn } = setUp(null);
        turn.restore(answer("a1", "One", "g2", 1, null, "g1"), { used: null, max: null });
        expect(turn.get()).toMatchObject({ status: "waiting", seam: "unknown", tail: "One" });
        turn.apply(tokens(2, " two", 1, "g2"));
        expect(turn.get()).toMatchObject({ status: "streaming", seam: null, tail: "One two" });
    });

    it("does not count tokens that it cannot know", () => {
        const { turn } = setUp(null);
        turn.restore(answer("a1", "One two", "g2", 2, null, "g1"), { used: null, max: null });
        expect(turn.get().tokens).toBe(0);
    });

    it("goes on when its reader asks, and stays as it is when the server refuses", () => {
        const { time, turn } = setUp();
        turn.apply(start());
        turn.apply(tokens(2, "One"));
        turn.requestStop();
        turn.apply(end(3, "cancelled"));
        turn.requestMore();
        expect(turn.get()).toMatchObject({
            status: "sending",
            seam: "cancelled",
            ending: null,
            stopping: false,
        });
        expect(turn.running).toBeNull();
        turn.refuseMore();
        expect(turn.get().ending?.reason).toBe("cancelled");
        turn.requestMore();
        turn.acceptMore("g1", "g2");
        expect(turn.running).toBe("g2");
        turn.apply(goesOn("g1", "g2"));
        turn.acceptMore("g1", "g2");
        time.nextFrame();
        expect(turn.get()).toMatchObject({ generation: "g2", status: "waiting" });
    });

    it("a stop that was asked for is not forgotten over a crash", () => {
        const { turn } = setUp();
        turn.apply(start());
        turn.requestStop();
        turn.apply(interrupted(2, "g1", "g2"));
        expect(turn.isStopping).toBe(true);
        expect(turn.running).toBe("g2");
    });
});
