import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Tokens } from "../protocol/frames";
import { GAP_BOUNDS_MS, Inspector, WAYS_MAX } from "./inspector";

let now = 0;
let paints: (() => void)[] = [];
let sent: boolean[] = [];

function setUp() {
    const inspector = new Inspector({
        send: (isOn) => sent.push(isOn),
        now: () => now,
        afterPaint: (done) => paints.push(done),
    });
    return inspector;
}

function tokens(seq: number, n = 1, us?: number): Tokens {
    const frame: Tokens = {
        type: "tokens",
        conversation: "c",
        generation: "g",
        seq,
        n,
        text: "x".repeat(n),
        tokensUsed: null,
        maxTokens: null,
    };
    return us === undefined
        ? frame
        : { ...frame, stations: { sampled: us, committed: us + 500, sent: us + 750 } };
}

beforeEach(() => {
    vi.useFakeTimers();
    now = 1000;
    paints = [];
    sent = [];
});
afterEach(() => vi.useRealTimers());

it("tells each station by the page's own clock", () => {
    const inspector = setUp();
    inspector.start();
    now = 1010; /* 10 ms there and back: the server's 7 s were at 1005 */
    inspector.onClock(7_000_000);
    now = 1021;
    inspector.onTokens(tokens(2, 1, 7_010_000));
    now = 1030;
    for (const paint of paints) paint();
    vi.advanceTimersByTime(1000);
    const [way] = inspector.snapshot.get().ways;
    expect(way).toMatchObject({
        seq: 2,
        sampled: 1015,
        committed: 1015.5,
        sent: 1015.75,
        received: 1021,
        painted: 1030,
    });
    expect(inspector.snapshot.get().roundTripMs).toBe(10);
});

it("a slower comparison of the clocks does not take the place of a quicker one", () => {
    const inspector = setUp();
    inspector.start();
    now = 1004;
    inspector.onClock(0);
    now = 6000;
    vi.advanceTimersByTime(5000);
    now = 6400;
    inspector.onClock(5_000_000);
    vi.advanceTimersByTime(1000);
    expect(inspector.snapshot.get().roundTripMs).toBe(4);
});

it("counts repeats, holes and gaps", () => {
    const inspector = setUp();
    inspector.start();
    inspector.onTokens(tokens(2, 3));
    now += 30; /* two tokens, 15 ms each */
    inspector.onTokens(tokens(5, 2));
    inspector.onTokens(tokens(6));
    inspector.onTokens(tokens(10));
    vi.advanceTimersByTime(1000);
    const seen = inspector.snapshot.get();
    expect(seen).toMatchObject({ frames: 4, tokens: 7, repeats: 1, holes: 3 });
    expect(seen.gaps[GAP_BOUNDS_MS.indexOf(20)]).toBe(2);
    inspector.clear();
    expect(inspector.snapshot.get()).toMatchObject({ frames: 0, ways: [] });
});

it("keeps the newest, and costs nothing when nobody looks", () => {
    const inspector = setUp();
    inspector.onTokens(tokens(2));
    expect(paints).toEqual([]);
    inspector.start();
    for (let seq = 3; seq < WAYS_MAX + 30; seq++) inspector.onTokens(tokens(seq));
    vi.advanceTimersByTime(1000);
    const { ways, holes } = inspector.snapshot.get();
    expect([ways.length, ways.at(-1)?.seq, holes]).toEqual([WAYS_MAX, WAYS_MAX + 29, 0]);
    inspector.connected();
    inspector.stop();
    vi.advanceTimersByTime(60_000);
    expect(sent).toEqual([true, true, false]);
});
