import { useCallback, useState } from "react";
import { type Histogram, quantileMs, type Stats, serverCalls, type Usage } from "../../protocol/server";
import { formatBytes, formatCount, formatMs, formatRate, plural } from "../../ui/format";
import { useClient } from "../useClient";
import { Figure } from "./Figure";
import { usePolled } from "./usePolled";

const NO_BREAK = "\u00a0";
const EVERY_MS = 1500;
const KEPT_MAX = 60;

interface Sample {
    stats: Stats;
    usage: Usage;
    tokensPerS: number;
}

/* rateOf: tokens that were committed between two looks, per second. A server that was started again counts from 0. */
export function rateOf(before: Stats | undefined, now: Stats): number {
    if (!before || now.tMs <= before.tMs || now.tokens < before.tokens) return 0;
    return ((now.tokens - before.tokens) * 1000) / (now.tMs - before.tMs);
}

export function MonitorTab() {
    const { rest } = useClient();
    const [samples, setSamples] = useState<readonly Sample[]>([]);
    const ask = useCallback(async () => {
        const [stats, usage] = await Promise.all([serverCalls.stats(rest), serverCalls.usage(rest)]);
        setSamples((kept) => [
            ...kept.slice(1 - KEPT_MAX),
            { stats, usage, tokensPerS: rateOf(kept.at(-1)?.stats, stats) },
        ]);
    }, [rest]);
    const error = usePolled(ask, EVERY_MS);
    const now = samples.at(-1);
    if (error) return <p className="server-note server-error">{error}</p>;
    if (!now) return <p className="server-note">Asking the server…</p>;
    return <Monitor samples={samples} now={now} />;
}

function Monitor({
    samples,
    now: { stats, usage, tokensPerS },
}: {
    samples: readonly Sample[];
    now: Sample;
}) {
    const times = (histogram: Histogram) => timesWords(histogram, stats.boundsMs);
    const ram =
        usage.ramUsedMb !== null && usage.ramTotalMb !== null
            ? `${formatBytes(usage.ramUsedMb * 1.048576e6)} of ${formatBytes(usage.ramTotalMb * 1.048576e6)}`
            : undefined;
    return (
        <div className="server-figures">
            <Figure
                title="Tokens per second"
                value={formatRate(tokensPerS)}
                note={`${formatCount(stats.tokens)} since the start`}
                line={samples.map((sample) => sample.tokensPerS)}
                wide
            />
            <Figure
                title="Processor"
                value={`${Math.round(usage.cpu)} %`}
                note={usage.cpuCount === null ? undefined : `${usage.cpuCount} cores`}
                line={samples.map((sample) => sample.usage.cpu)}
                max={100}
            />
            <Figure
                title="Memory"
                value={`${Math.round(usage.ram)} %`}
                note={ram}
                line={samples.map((sample) => sample.usage.ram)}
                max={100}
            />
            <Figure
                title="Models"
                value={formatBytes((usage.engineMb ?? 0) * 1e6)}
                note="memory of all that are loaded"
            />
            <Figure
                title="Answers"
                value={formatCount(stats.running)}
                note={`${stats.waiting === 0 ? "none waits" : `${formatCount(stats.waiting)} wait`} · ${plural(stats.connections, "connection")}`}
            />
            <Figure title="To the first token" {...times(stats.firstToken)} />
            <Figure title="Between two tokens" {...times(stats.tokenGap)} />
            <Figure title="Commit (before it is shown)" {...times(stats.commit)} />
            <Figure title="Sync (on the disk)" {...times(stats.sync)} />
            <Figure
                title="Repeats and holes sent"
                value={`${stats.repeats} / ${stats.holes}`}
                note={`in ${formatCount(stats.frames)} frames`}
                isBad={stats.repeats + stats.holes > 0}
            />
        </div>
    );
}

function timesWords(histogram: Histogram, boundsMs: readonly number[]): { value: string; note: string } {
    const word = (part: number) => {
        const ms = quantileMs(histogram, boundsMs, part);
        return ms === null ? "–" : `≤ ${shortMs(ms)}`.replaceAll(" ", NO_BREAK);
    };
    return {
        value: word(0.5),
        note:
            histogram.n === 0
                ? "none yet"
                : `95${NO_BREAK}%:${NO_BREAK}${word(0.95)} · 99${NO_BREAK}%:${NO_BREAK}${word(0.99)}`,
    };
}

export const shortMs = (ms: number) =>
    ms < 1
        ? `${Math.round(ms * 1000)} µs`
        : ms < 10
          ? `${ms.toFixed(1).replace(/\.0$/, "")} ms`
          : formatMs(ms);
