/* The one WebSocket of the page: connect, say hello, decode, notice silence, come back.
 *
 * States: idle -> connecting -> open -> waiting -> connecting … ; refused is final until retry().
 *   connecting  a socket is being opened, or hello is not answered yet
 *   open        hello is answered; frames flow
 *   waiting     the next try is at `retryAt`
 *   refused     the server does not let us in (4001) or no longer (4401), or speaks another protocol (4000)
 * Invariants: at most one WebSocket lives; nothing of an old one is heard after it was dropped. */

import { backoffMs } from "./backoff";
import { type ClientFrame, decodeFrame, PROTOCOL_VERSION, type ServerFrame } from "./frames";

/* An open socket carries a frame at least every 5 s [N10]: three missed ones are a dead line. */
export const SILENCE_MAX_MS = 15_000;

/* After a sleep no timer has run: a line on which a frame is overdue by the clock on the wall is given up at once. */
const OVERDUE_MS = 7_000;

export type SocketStatus =
    | { state: "idle" }
    | { state: "connecting"; attempt: number }
    | { state: "open" }
    | { state: "waiting"; attempt: number; retryAt: number }
    | { state: "refused"; code: number };

/* Close codes: docs/protocol.md part 3. */
const BAD_HELLO = 4000;
const DENIED = 4001;
const REVOKED = 4401;

export function isKeyNeeded(status: SocketStatus): boolean {
    return status.state === "refused" && status.code !== BAD_HELLO;
}

export interface SocketOptions {
    url: () => string;
    onFrame: (frame: ServerFrame) => void;
    onStatus: (status: SocketStatus) => void;
    onBadFrame?: (why: string) => void;
    create?: (url: string) => WebSocket;
    random?: () => number;
}

export class Socket {
    status: SocketStatus = { state: "idle" };
    private options: SocketOptions;
    private socket: WebSocket | null = null;
    private attempt = 0;
    private retryTimer: ReturnType<typeof setTimeout> | undefined;
    private heardAt = 0 /* by the wall's clock, which goes on while the machine sleeps */;
    private silenceTimer: ReturnType<typeof setTimeout> | undefined;

    constructor(options: SocketOptions) {
        this.options = options;
    }

    start(): void {
        if (this.status.state === "idle") this.connect();
    }

    /* wake: the network or the reader came back. Who is not let in is asked for a key, and that must not be disturbed. */
    wake(): void {
        if (this.status.state !== "refused") this.retry();
    }

    /* retry connects now instead of waiting: somebody pressed the button. */
    retry(): void {
        if (this.status.state === "idle") return;
        const isAlive = this.status.state === "open" || this.status.state === "connecting";
        if (isAlive && Date.now() - this.heardAt <= OVERDUE_MS) return;
        this.connect();
    }

    close(): void {
        this.drop();
        clearTimeout(this.retryTimer);
        this.setStatus({ state: "idle" });
    }

    /* send is false when there is no open socket: the caller keeps what must not be lost. */
    send(frame: ClientFrame): boolean {
        if (this.status.state !== "open" || !this.socket) return false;
        this.socket.send(JSON.stringify(frame));
        return true;
    }

    private connect(): void {
        clearTimeout(this.retryTimer);
        this.drop();
        this.attempt += 1;
        this.setStatus({ state: "connecting", attempt: this.attempt });
        const socket = (this.options.create ?? ((url) => new WebSocket(url)))(this.options.url());
        this.socket = socket;
        socket.onopen = () => {
            const hello: ClientFrame = { type: "hello", protocol: PROTOCOL_VERSION };
            socket.send(JSON.stringify(hello));
        };
        socket.onmessage = (event) => this.receive(event.data);
        socket.onclose = (event) => this.lost(event.code);
        this.watchSilence();
    }

    private receive(data: unknown): void {
        this.watchSilence();
        const decoded = decodeFrame(data);
        if (decoded.kind === "bad") this.options.onBadFrame?.(decoded.why);
        if (decoded.kind !== "frame") return;
        if (decoded.frame.type === "hello") {
            this.attempt = 0;
            this.setStatus({ state: "open" });
        }
        this.options.onFrame(decoded.frame);
    }

    private lost(code: number): void {
        this.drop();
        if (code === BAD_HELLO || code === DENIED || code === REVOKED) {
            this.setStatus({ state: "refused", code });
            return;
        }
        const attempt = this.attempt + 1;
        const wait = backoffMs(attempt, this.options.random ?? Math.random);
        this.retryTimer = setTimeout(() => this.connect(), wait);
        this.setStatus({ state: "waiting", attempt, retryAt: Date.now() + wait });
    }

    private watchSilence(): void {
        this.heardAt = Date.now();
        clearTimeout(this.silenceTimer);
        this.silenceTimer = setTimeout(() => this.lost(0), SILENCE_MAX_MS);
    }

    private drop(): void {
        clearTimeout(this.silenceTimer);
        const socket = this.socket;
        if (!socket) return;
        this.socket = null;
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
    }

    private setStatus(status: SocketStatus): void {
        this.status = status;
        this.options.onStatus(status);
    }
}
