/* A turn that is being produced, as the page sees it: the text in blocks, the phase, the figures. It is one answer
 * over all its generations: where one was interrupted, the next one's text follows in the same blocks.
 *
 * Tokens come as often as they like; watchers are told once per animation frame. The first token is told at
 * once, and so is the end. Owner: the conversation's store. */

import { BlockSplitter } from "../markdown/splitBlocks";
import type { Ending, EndReason, Message, Phase, ToolCall } from "../protocol/frames";
import type { Schedule } from "./frameSchedule";
import {
    hasBegun,
    isOver,
    NEW_TURN,
    reduceTurn,
    restoreTurn,
    type Step,
    type TurnFrame,
    type TurnState,
    textOf,
    tokensOf,
} from "./reduceTurn";
import { Store } from "./store";

export type TurnStatus = "sending" | "waiting" | "streaming" | "ended";

export interface TurnSnapshot {
    status: TurnStatus;
    generation: string | null;
    seq: number;
    settled: readonly string[];
    tail: string;
    reasoning: string;
    calls: readonly ToolCall[];
    phase: Phase | null;
    tokensUsed: number | null;
    maxTokens: number | null;
    tokens: number;
    tokensPerSecond: number | null;
    firstTokenMs: number | null;
    /* When the page saw the first thought, and how long it was until something was said; null: it did not look on. */
    thoughtAt: number | null;
    thoughtMs: number | null;
    stopping: boolean;
    ending: Ending | null /* null also while another generation is about to go on */;
    wentOn: boolean /* it was interrupted, and another generation has gone on with it */;
    /* Between two generations: why the earlier one ended; "unknown" after a reload. Null: not between two. */
    seam: EndReason | "unknown" | null;
}

export interface TurnOptions {
    schedule: Schedule;
    now: () => number /* monotonic, ms */;
}

const RATE_WINDOW_MS = 4000;
const RATE_SPAN_MIN_MS = 300;
const RATE_REFRESH_MS = 250;
/* A frame of so many tokens is the catch-up after an absence: its speed is that of the line, not the model's. */
const CATCH_UP_TOKENS = 24;

const hasSaid = (state: TurnState) => state.text !== "" || state.calls.length > 0;

export class TurnStore {
    private options: TurnOptions;
    private state: TurnState = NEW_TURN;
    private blocks = new BlockSplitter();
    private sentAt: number | null;
    private firstTokenMs: number | null = null;
    private thoughtAt: number | null = null;
    private thoughtMs: number | null = null;
    private samples: { at: number; seq: number }[] = [];
    private rate: number | null = null;
    private rateAt = 0;
    private acked = false;
    private stopping = false;
    private scheduled = false;
    private endedAs: EndReason | null = null /* the last generation that ended */;
    private store: Store<TurnSnapshot>;

    /* sentAt is when the message went out, null for a turn that was found running. */
    constructor(options: TurnOptions, sentAt: number | null) {
        this.options = options;
        this.sentAt = sentAt;
        this.store = new Store(this.build());
    }

    readonly get = (): TurnSnapshot => this.store.get();
    readonly subscribe = (listener: () => void) => this.store.subscribe(listener);

    get generation(): string | null {
        return this.state.generation;
    }
    get seq(): number {
        return this.state.seq;
    }
    get text(): string {
        return this.state.text;
    }
    /* Null while another generation is about to go on. */
    get ending(): Ending | null {
        return isOver(this.state) ? this.state.ending : null;
    }
    /* What a stop names: the generation that is about to go on as soon as it is known. */
    get running(): string | null {
        return this.state.goesOn ? this.state.next : this.state.generation;
    }
    get context(): { used: number | null; max: number | null } {
        return { used: this.state.tokensUsed, max: this.state.maxTokens };
    }
    get isStopping(): boolean {
        return this.stopping;
    }

    apply(frame: TurnFrame): Step["kind"] {
        const before = this.state;
        const step = reduceTurn(before, frame);
        if (step.kind !== "applied") return step.kind;
        this.state = step.state;
        this.blocks.append(step.state.text.slice(before.text.length));
        if (frame.type === "tokens") this.count(frame.n);
        this.timeThoughts(before);
        if (frame.type === "end") this.endedAs = frame.ending.reason;
        if (frame.type === "start") this.samples = [];
        const isFirstText = !hasBegun(before) && hasBegun(step.state);
        if (isFirstText || frame.type === "end") this.tell();
        else this.tellNextFrame();
        return "applied";
    }

    /* accept: the server has taken the message and named the generation. */
    accept(generation: string): void {
        this.acked = true;
        if (this.state.generation === null) this.state = { ...this.state, generation };
        this.tell();
    }

    knows(generation: string): boolean {
        return (
            this.state.generation === generation ||
            this.state.parts.some((part) => part.generation === generation)
        );
    }

    textOf(generation: string): string | null {
        return textOf(this.state, generation);
    }

    /* requestMore: the reader wants an answer that has ended to go on. */
    requestMore(): void {
        this.stopping = false;
        this.state = { ...this.state, goesOn: true, next: null };
        this.tell();
    }

    /* acceptMore: the server has named the generation that goes on with `continues`; it may have begun already. */
    acceptMore(continues: string, next: string): void {
        if (this.state.generation !== continues || !this.state.goesOn) return;
        this.state = { ...this.state, next };
        this.tell();
    }

    /* refuseMore: it stays as it is. */
    refuseMore(): void {
        this.stopping = false;
        this.state = { ...this.state, goesOn: false, next: null };
        this.tell();
    }

    requestStop(): void {
        this.stopping = true;
        this.tell();
    }

    /* restore puts in place what a snapshot says of this generation. */
    restore(message: Message, context: { used: number | null; max: number | null }): void {
        const { generation } = message;
        if (!generation) return;
        const grown = message.content.startsWith(this.state.text)
            ? message.content.slice(this.state.text.length)
            : null;
        if (grown === null) this.blocks = new BlockSplitter();
        this.blocks.append(grown ?? message.content);
        this.samples = [];
        this.acked = true;
        this.state = restoreTurn(this.state, message.content, generation, context);
        if (generation.ending) this.endedAs = generation.ending.reason;
        this.tell();
    }

    private timeThoughts(before: TurnState): void {
        const { state } = this;
        const now = this.options.now();
        if (before.reasoning === "" && state.reasoning !== "" && !hasSaid(state)) this.thoughtAt = now;
        if (this.thoughtAt !== null && (hasSaid(state) || state.ending))
            this.thoughtMs ??= now - this.thoughtAt;
    }

    private count(n: number): void {
        const at = this.options.now();
        if (this.firstTokenMs === null && this.sentAt !== null) this.firstTokenMs = at - this.sentAt;
        if (n >= CATCH_UP_TOKENS) this.samples = [];
        this.samples.push({ at, seq: this.state.seq });
        while (at - (this.samples[0]?.at ?? at) > RATE_WINDOW_MS) this.samples.shift();
        const first = this.samples[0];
        if (!first || at - first.at < RATE_SPAN_MIN_MS || at - this.rateAt < RATE_REFRESH_MS) return;
        this.rate = ((this.state.seq - first.seq) * 1000) / (at - first.at);
        this.rateAt = at;
    }

    private tellNextFrame(): void {
        if (this.scheduled) return;
        this.scheduled = true;
        this.options.schedule(() => {
            if (this.scheduled) this.tell();
        });
    }

    private tell(): void {
        this.scheduled = false;
        this.store.set(this.build());
    }

    private build(): TurnSnapshot {
        const { state } = this;
        const { ending } = this;
        const isBetween = state.goesOn || (state.parts.length > 1 && !hasBegun(state) && !ending);
        return {
            status: this.status(),
            generation: state.generation,
            seq: state.seq,
            settled: this.blocks.settled,
            tail: this.blocks.tail,
            reasoning: state.reasoning,
            calls: state.calls,
            phase: state.phase,
            tokensUsed: state.tokensUsed,
            maxTokens: state.maxTokens,
            tokens: this.tokens(),
            tokensPerSecond: ending?.timings?.decodePerSecond ?? this.rate,
            firstTokenMs: this.firstTokenMs,
            thoughtAt: this.thoughtAt,
            thoughtMs: this.thoughtMs,
            stopping: this.stopping && !ending,
            ending,
            wentOn: state.parts.length > 1,
            seam: isBetween ? (this.endedAs ?? "unknown") : null,
        };
    }

    private status(): TurnStatus {
        const { state } = this;
        if (isOver(state)) return "ended";
        if (state.goesOn) return state.next === null ? "sending" : "waiting";
        if (hasBegun(state)) return "streaming";
        return this.isKnown() ? "waiting" : "sending";
    }

    /* 0 = not known: after a reload, of an answer that went on. */
    private tokens(): number {
        const { state } = this;
        if (state.tokensBefore === null) return 0;
        return state.tokensBefore + (state.ending?.usage?.completionTokens ?? tokensOf(state));
    }

    private isKnown(): boolean {
        return this.acked || this.state.seq > 0 || this.state.phase !== null;
    }
}
