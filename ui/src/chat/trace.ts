/* `?trace=1`: each token frame can be followed on its last two stations, received and painted, with stable tags
 * (the server's are in docs/protocol.md). Costs nothing when it was not asked for. */

export const isTracing =
    typeof location !== "undefined" && new URLSearchParams(location.search).get("trace") === "1";

const time = () => `t=${performance.now().toFixed(1)}`;

export function traceReceived(seq: number, n: number): void {
    console.log(`[UI] tokens seq=${n > 1 ? `${seq}..${seq + n - 1}` : seq} received ${time()}`);
}

/* tracePainted is called when the page's tree holds the text up to `seq`; the log line is written after the
 * frame was painted. */
export function tracePainted(seq: number): void {
    requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => {
            console.log(`[UI] seq=${seq} painted ${time()}`);
            channel.port1.close();
        };
        channel.port2.postMessage(null);
    });
}

interface Texts {
    text: (generation: string) => string | null;
    message: (id: string) => string | null;
}

/* exposeTexts gives tests the source of what one generation said and of a whole message:
 * window.__runnel.text(generation) and window.__runnel.message(id). */
export function exposeTexts(texts: Texts): void {
    Object.assign(window, { __runnel: texts });
}
