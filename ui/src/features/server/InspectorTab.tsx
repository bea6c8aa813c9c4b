import { useEffect, useState } from "react";
import { GAP_BOUNDS_MS, type Inspection, Inspector, type Way } from "../../chat/inspector";
import { formatCount } from "../../ui/format";
import { useClient, useStore } from "../useClient";
import { Bars, Figure } from "./Figure";
import { shortMs } from "./MonitorTab";

const LABELS = [...GAP_BOUNDS_MS.map((ms) => `${ms}`), `${GAP_BOUNDS_MS.at(-1)}+`];
const ROWS_MAX = 40;

/* What became of each token that came while this is open. */
export function InspectorTab() {
    const client = useClient();
    const [inspector] = useState(() => new Inspector({ send: (isOn) => client.inspect(isOn) }));
    const seen = useStore(inspector.snapshot);
    useEffect(() => {
        client.observer = inspector;
        inspector.start();
        return () => {
            inspector.stop();
            client.observer = null;
        };
    }, [client, inspector]);
    return (
        <>
            <div className="server-figures server-figures-four">
                <Figure
                    title="Tokens"
                    value={formatCount(seen.tokens)}
                    note={`in ${formatCount(seen.frames)} frames`}
                />
                <Figure
                    title="Repeats"
                    value={formatCount(seen.repeats)}
                    note="tokens that came twice"
                    isBad={seen.repeats > 0}
                />
                <Figure
                    title="Holes"
                    value={formatCount(seen.holes)}
                    note="tokens that were left out"
                    isBad={seen.holes > 0}
                />
                <Figure title="Sampled to painted" {...medianWords(seen)} />
            </div>
            <section className="inspector-part">
                <div className="card-line">
                    <h3>Gaps between tokens, ms</h3>
                    <span className="foot-space" />
                    <button type="button" className="text-button" onClick={() => inspector.clear()}>
                        Begin anew
                    </button>
                </div>
                {seen.gaps.some((n) => n > 0) ? (
                    <Bars counts={seen.gaps} labels={LABELS} label="Gaps between tokens in milliseconds" />
                ) : (
                    <p className="server-note">The second token makes the first gap.</p>
                )}
            </section>
            <section className="inspector-part">
                <h3>The way of each token, after it was sampled</h3>
                {seen.ways.length === 0 ? (
                    <p className="server-note">
                        Tokens are listed here as they come: ask something, or open an answer that runs.
                    </p>
                ) : (
                    <Ways ways={seen.ways} />
                )}
            </section>
        </>
    );
}

function Ways({ ways }: { ways: readonly Way[] }) {
    return (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <div className="ways" role="region" aria-label="The way of each token" tabIndex={0}>
            <table>
                <thead>
                    <tr>
                        <th scope="col">seq</th>
                        <th scope="col">committed</th>
                        <th scope="col">sent</th>
                        <th scope="col">received</th>
                        <th scope="col">painted</th>
                    </tr>
                </thead>
                <tbody>
                    {ways
                        .slice(-ROWS_MAX)
                        .reverse()
                        .map((way) => (
                            <tr key={`${way.generation}-${way.seq}`} data-testid="way">
                                <td>{way.n > 1 ? `${way.seq - way.n + 1}–${way.seq}` : way.seq}</td>
                                <td>{after(way, way.committed)}</td>
                                <td>{after(way, way.sent)}</td>
                                <td>{after(way, way.received)}</td>
                                <td>{after(way, way.painted)}</td>
                            </tr>
                        ))}
                </tbody>
            </table>
        </div>
    );
}

const after = (way: Way, at: number | null) =>
    at === null || way.sampled === null ? "–" : `+${shortMs(Math.max(0, at - way.sampled))}`;

function medianWords({ ways, roundTripMs }: Inspection): { value: string; note: string } {
    const all = ways
        .map((way) => (way.painted === null || way.sampled === null ? null : way.painted - way.sampled))
        .filter((ms) => ms !== null)
        .sort((a, b) => a - b);
    const median = all[Math.floor(all.length / 2)];
    return {
        value: median === undefined ? "–" : shortMs(median),
        note:
            roundTripMs === null
                ? "half of the newest"
                : `half of them; clocks agree to ${shortMs(roundTripMs / 2)}`,
    };
}
