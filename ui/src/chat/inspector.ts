/* The way of each token, from the engine to the screen, and whether any came twice or not at all. It costs nothing until somebody looks.
 *
 * The server tells its stations by its own clock [N33]; how far that is from the page's is found as in NTP: half the way there and back, of the
 * quickest answer to `inspect`. */

import type { Tokens } from "../protocol/frames";
import { Store } from "./store";

/* Milliseconds of the page's clock; null: not told, or not yet. */
export interface Way {
    generation: string;
    seq: number /* of the last token of the frame */;
    n: number;
    sampled: number | null;
    committed: number | null;
    sent: number | null;
    received: number;
    painted: number | null;
}

export interface Inspection {
    ways: readonly Way[] /* newest last */;
    frames: number;
    tokens: number;
    repeats: number;
    holes: number;
    gaps: readonly number[] /* counts, by GAP_BOUNDS_MS; the last: longer */;
    roundTripMs: number | null;
}

export const GAP_BOUNDS_MS = [2, 5, 10, 20, 50, 100, 200, 500, 1000] as const;
export const WAYS_MAX = 200;

const NOTHING: Inspection = {
    ways: [],
    frames: 0,
    tokens: 0,
    repeats: 0,
    holes: 0,
    gaps: new Array(GAP_BOUNDS_MS.length + 1).fill(0),
    roundTripMs: null,
};

/* How often the clocks are compared, and how often what is shown is told. */
const CLOCK_MS = 5000;
const TELL_MS = 250;

interface Options {
    send: (isOn: boolean) => void;
    now?: () => number;
    afterPaint?: (done: () => void) => void;
}

export class Inspector {
    readonly snapshot = new Store<Inspection>(NOTHING);
    private value: Inspection = NOTHING;
    private isOn = false;
    private asked: number | null = null;
    private offset: number | null = null /* page − server */;
    private last = new Map<string, { seq: number; at: number }>();
    private clock: ReturnType<typeof setInterval> | null = null;
    private telling: ReturnType<typeof setTimeout> | null = null;
    private readonly send: Options["send"];
    private readonly now: () => number;
    private readonly afterPaint: (done: () => void) => void;

    constructor(options: Options) {
        this.send = options.send;
        this.now = options.now ?? (() => performance.now());
        this.afterPaint = options.afterPaint ?? afterNextPaint;
    }

    start(): void {
        if (this.isOn) return;
        this.isOn = true;
        this.ask();
        this.clock = setInterval(() => this.ask(), CLOCK_MS);
    }

    stop(): void {
        if (!this.isOn) return;
        this.isOn = false;
        if (this.clock !== null) clearInterval(this.clock);
        this.send(false);
    }

    clear(): void {
        this.last.clear();
        this.value = { ...NOTHING, roundTripMs: this.value.roundTripMs };
        this.snapshot.set(this.value);
    }

    /* connected: a new socket knows nothing of the wish. */
    connected(): void {
        this.last.clear();
        if (this.isOn) this.ask();
    }

    onClock(tUs: number): void {
        if (this.asked === null) return;
        const now = this.now();
        const roundTrip = now - this.asked;
        this.asked = null;
        if (this.value.roundTripMs !== null && roundTrip > this.value.roundTripMs) return;
        this.offset = now - roundTrip / 2 - tUs / 1000;
        this.value = { ...this.value, roundTripMs: roundTrip };
        this.tell();
    }

    onTokens(frame: Tokens): void {
        if (!this.isOn) return;
        const received = this.now();
        this.count(frame, received);
        const stations = frame.stations;
        const at = (us: number) => (this.offset === null ? null : us / 1000 + this.offset);
        const way: Way = {
            generation: frame.generation,
            seq: frame.seq + frame.n - 1,
            n: frame.n,
            sampled: stations ? at(stations.sampled) : null,
            committed: stations ? at(stations.committed) : null,
            sent: stations ? at(stations.sent) : null,
            received,
            painted: null,
        };
        this.value = { ...this.value, ways: [...this.value.ways.slice(1 - WAYS_MAX), way] };
        this.afterPaint(() => {
            const painted = { ...way, painted: this.now() };
            this.value = {
                ...this.value,
                ways: this.value.ways.map((other) => (other === way ? painted : other)),
            };
            this.tell();
        });
        this.tell();
    }

    private ask(): void {
        this.asked = this.now();
        this.send(true);
    }

    private count(frame: Tokens, at: number): void {
        const before = this.last.get(frame.generation);
        const off = before ? frame.seq - before.seq - 1 : 0;
        const gaps = [...this.value.gaps];
        if (before) {
            const gap = (at - before.at) / frame.n;
            const found = GAP_BOUNDS_MS.findIndex((bound) => gap <= bound);
            const place = found < 0 ? GAP_BOUNDS_MS.length : found;
            gaps[place] = (gaps[place] ?? 0) + frame.n;
        }
        this.last.set(frame.generation, { seq: frame.seq + frame.n - 1, at });
        this.value = {
            ...this.value,
            frames: this.value.frames + 1,
            tokens: this.value.tokens + frame.n,
            holes: this.value.holes + Math.max(0, off),
            repeats: this.value.repeats + Math.max(0, -off),
            gaps,
        };
    }

    private tell(): void {
        this.telling ??= setTimeout(() => {
            this.telling = null;
            this.snapshot.set(this.value);
        }, TELL_MS);
    }
}

function afterNextPaint(done: () => void): void {
    requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => {
            done();
            channel.port1.close();
        };
        channel.port2.postMessage(null);
    });
}
