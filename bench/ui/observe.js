/* What a page does while an answer grows, seen from inside of it. The words of the answer have numbers (w17): the last one that was
 * received is found in what the socket or the decoder of a stream yields, the last one that was painted at the end of the answer's element. */
(() => {
    const SELECT = SELECTOR;
    const WORD = /w(\d{7,})/g;
    const STEPS_MAX = 200;
    const lastWord = (text) => Number([...text.matchAll(WORD)].at(-1)?.[1] ?? -1);
    const seen = { frame_ms: [], work_ms: [], delay_ms: [], long_ms: [] };
    let isRunning = false;
    let waiting = [];
    let lastAt = 0;
    let startedAt = 0;

    const received = (text) => {
        if (!isRunning || !text.includes("w")) return;
        const word = lastWord(text);
        if (word >= 0) waiting.push([word, performance.now()]);
    };
    const { WebSocket } = window;
    window.WebSocket = class extends WebSocket {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", (event) => typeof event.data === "string" && received(event.data));
        }
    };
    const { decode } = TextDecoder.prototype;
    TextDecoder.prototype.decode = function (...given) {
        const text = decode.apply(this, given);
        received(text);
        return text;
    };

    /* The answer's last text is near its end; what stands behind it are buttons and figures. */
    const paintedWord = () => {
        const answers = document.querySelectorAll(SELECT);
        const answer = answers[answers.length - 1];
        if (!answer) return -1;
        let node = answer;
        while (node.lastChild) node = node.lastChild;
        const walker = document.createTreeWalker(answer, NodeFilter.SHOW_TEXT);
        walker.currentNode = node;
        for (let steps = 0, text = node; text && steps < STEPS_MAX; steps++, text = walker.previousNode()) {
            const word = text.nodeType === Node.TEXT_NODE ? lastWord(text.data.slice(-400)) : -1;
            if (word >= 0) return word;
        }
        return -1;
    };
    const afterPaint = new MessageChannel();
    let began = 0;
    afterPaint.port1.onmessage = () => {
        const now = performance.now();
        seen.work_ms.push(now - began);
        const word = paintedWord();
        if (word < 0) return;
        bench.painted = Math.max(bench.painted, word);
        waiting = waiting.filter(([wanted, at]) => {
            if (wanted > word) return true;
            seen.delay_ms.push(now - at);
            return false;
        });
    };
    const onFrame = (at) => {
        if (!isRunning) return;
        if (lastAt > 0) seen.frame_ms.push(at - lastAt);
        lastAt = at;
        began = performance.now();
        afterPaint.port2.postMessage(0);
        requestAnimationFrame(onFrame);
    };
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (isRunning) seen.long_ms.push(entry.duration);
    }).observe({ type: "longtask" });

    window.bench = {
        painted: -1,
        start() {
            isRunning = true;
            startedAt = performance.now();
            requestAnimationFrame(onFrame);
        },
        stop() {
            isRunning = false;
            return { ...seen, seconds: (performance.now() - startedAt) / 1000 };
        },
        async scrollUp(scroller, more) {
            while (document.querySelector(more)) {
                document.querySelector(scroller).scrollTop = 0;
                await new Promise((resolve) => setTimeout(resolve, 50));
            }
        },
    };
})();
