import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS, backoffMs } from "./backoff";
import type { ServerFrame } from "./frames";
import { SILENCE_MAX_MS, Socket, type SocketStatus } from "./socket";

class FakeWebSocket {
    onopen: (() => void) | null = null;
    onmessage: ((event: { data: unknown }) => void) | null = null;
    onclose: ((event: { code: number }) => void) | null = null;
    sent: string[] = [];
    isClosed = false;
    send(text: string) {
        this.sent.push(text);
    }
    close() {
        this.isClosed = true;
    }
    say(frame: object) {
        this.onmessage?.({ data: JSON.stringify(frame) });
    }
    greet() {
        this.onopen?.();
        this.say({ type: "hello", protocol: 1, epoch: "e", version: "0.1.0", model: null });
    }
}

function setUp(random = () => 1) {
    const made: FakeWebSocket[] = [];
    const frames: ServerFrame[] = [];
    const states: SocketStatus[] = [];
    const socket = new Socket({
        url: () => "ws://test/ws",
        onFrame: (frame) => frames.push(frame),
        onStatus: (status) => states.push(status),
        create: () => {
            const fake = new FakeWebSocket();
            made.push(fake);
            return fake as unknown as WebSocket;
        },
        random,
    });
    socket.start();
    const last = () => made.at(-1) as FakeWebSocket;
    return { socket, made, frames, states, last };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("backoffMs", () => {
    it("goes from 0.25 s to 5 s and stays there (P5)", () => {
        const waits = Array.from({ length: 9 }, (_, i) => backoffMs(i + 1, () => 1));
        expect(waits).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000, 5000]);
    });

    it("jitters down to half of the step, never under the first one", () => {
        for (let attempt = 1; attempt < 12; attempt++) {
            const least = backoffMs(attempt, () => 0);
            expect(least).toBeGreaterThanOrEqual(BACKOFF_FIRST_MS);
            expect(least).toBeGreaterThanOrEqual(backoffMs(attempt, () => 1) / 2);
        }
        expect(backoffMs(500, () => 1)).toBe(BACKOFF_MAX_MS);
    });
});

describe("Socket", () => {
    it("says hello first and is open when it is answered", () => {
        const { socket, last } = setUp();
        expect(socket.send({ type: "unwatch", conversation: "c" })).toBe(false);
        last().onopen?.();
        expect(last().sent).toEqual(['{"type":"hello","protocol":1}']);
        expect(socket.status.state).toBe("connecting");
        last().greet();
        expect(socket.status.state).toBe("open");
        expect(socket.send({ type: "unwatch", conversation: "c" })).toBe(true);
    });

    it("comes back by itself, each time a little later", () => {
        const { made, last } = setUp();
        for (const wait of [500, 1000, 2000, 4000, 5000, 5000]) {
            last().onclose?.({ code: 1006 });
            const before = made.length;
            vi.advanceTimersByTime(wait - 1);
            expect(made.length).toBe(before);
            vi.advanceTimersByTime(1);
            expect(made.length).toBe(before + 1);
        }
    });

    it("begins anew with 0.25 s after it was open", () => {
        const { made, last } = setUp();
        last().onclose?.({ code: 1006 });
        vi.advanceTimersByTime(500);
        last().greet();
        last().onclose?.({ code: 1001 });
        vi.advanceTimersByTime(250);
        expect(made.length).toBe(3);
    });

    it("takes 15 s without a frame for a dead line [N10]", () => {
        const { socket, made, last } = setUp();
        const first = last();
        first.greet();
        vi.advanceTimersByTime(SILENCE_MAX_MS - 1);
        first.say({ type: "ping" });
        vi.advanceTimersByTime(SILENCE_MAX_MS - 1);
        expect(socket.status.state).toBe("open");
        vi.advanceTimersByTime(1);
        expect(socket.status.state).toBe("waiting");
        expect(first.isClosed).toBe(true);
        vi.advanceTimersByTime(250);
        expect(made.length).toBe(2);
    });

    it("gives up a connection that never says hello", () => {
        const { socket } = setUp();
        vi.advanceTimersByTime(SILENCE_MAX_MS);
        expect(socket.status.state).toBe("waiting");
    });

    it("hears nothing of a socket that it has dropped", () => {
        const { frames, last } = setUp();
        const first = last();
        first.greet();
        vi.advanceTimersByTime(SILENCE_MAX_MS);
        const before = frames.length;
        first.say({ type: "ping" });
        expect(frames.length).toBe(before);
    });

    it("retry connects at once", () => {
        const { socket, made, last } = setUp();
        last().onclose?.({ code: 1006 });
        socket.retry();
        expect(made.length).toBe(2);
        vi.advanceTimersByTime(10_000);
        expect(made.length).toBe(2);
    });

    it("retry does nothing while it is open or connecting", () => {
        const { socket, made, last } = setUp();
        socket.retry();
        last().greet();
        socket.retry();
        expect(made.length).toBe(1);
    });

    it.each([4000, 4001, 4401])("does not knock again after it was refused with %d", (code) => {
        const { socket, made, last } = setUp();
        last().onclose?.({ code });
        vi.advanceTimersByTime(60_000);
        expect(made.length).toBe(1);
        expect(socket.status).toEqual({ state: "refused", code });
    });

    it("after a sleep a line that looks open is given up as soon as somebody is there [N10]", () => {
        const { socket, made, last } = setUp();
        last().greet();
        vi.setSystemTime(Date.now() + 5_000);
        socket.wake();
        expect(made).toHaveLength(1);
        /* No timer runs while a machine sleeps; the clock on the wall does. */
        vi.setSystemTime(Date.now() + 3_600_000);
        socket.wake();
        expect(made).toHaveLength(2);
        expect(made[0]?.isClosed).toBe(true);
        last().greet();
        expect(socket.status.state).toBe("open");
    });

    it("who is not let in is not disturbed by it, and by the button only", () => {
        const { socket, made, last } = setUp();
        last().onclose?.({ code: 4001 });
        vi.setSystemTime(Date.now() + 3_600_000);
        socket.wake();
        expect(made).toHaveLength(1);
        socket.retry();
        expect(made).toHaveLength(2);
    });

    it("close is the end", () => {
        const { socket, made, last } = setUp();
        last().greet();
        socket.close();
        vi.advanceTimersByTime(60_000);
        expect(made.length).toBe(1);
        expect(made[0]?.isClosed).toBe(true);
    });
});
