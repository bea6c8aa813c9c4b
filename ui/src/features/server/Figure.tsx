interface FigureProps {
    title: string;
    value: string;
    note?: string | undefined;
    line?: readonly number[] /* the newest last */;
    max?: number;
    wide?: boolean;
    isBad?: boolean;
}

const WIDTH = 240;
const HEIGHT = 40;

export function Figure({ title, value, note, line, max, wide = false, isBad = false }: FigureProps) {
    return (
        <section className={wide ? "figure figure-wide" : "figure"} data-bad={isBad}>
            <h3>{title}</h3>
            <p className="figure-value">{value}</p>
            {note !== undefined && <p className="figure-note">{note}</p>}
            {line && line.length > 1 && <Line values={line} max={max} />}
        </section>
    );
}

function Line({ values, max }: { values: readonly number[]; max: number | undefined }) {
    const top = max ?? Math.max(1, ...values);
    const step = WIDTH / Math.max(1, values.length - 1);
    const points = values.map(
        (value, i) =>
            `${(i * step).toFixed(1)},${(HEIGHT - 2 - (Math.min(value, top) / top) * (HEIGHT - 4)).toFixed(1)}`,
    );
    return (
        <svg
            className="figure-line"
            viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
            preserveAspectRatio="none"
            aria-hidden="true"
        >
            <polygon points={`0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`} />
            <polyline points={points.join(" ")} />
        </svg>
    );
}

interface BarsProps {
    counts: readonly number[];
    labels: readonly string[];
    label: string;
}

/* A histogram, as a table for who cannot see it. */
export function Bars({ counts, labels, label }: BarsProps) {
    const top = Math.max(1, ...counts);
    return (
        <div
            className="bars"
            role="img"
            aria-label={`${label}: ${counts.map((n, i) => `${labels[i]}: ${n}`).join(", ")}`}
        >
            {counts.map((n, i) => (
                <div key={labels[i]}>
                    <span className="bar-count">{n > 0 ? n : ""}</span>
                    <span className="bar" style={{ height: `${(n / top) * 72}px` }} />
                    <span className="bar-label">{labels[i]}</span>
                </div>
            ))}
        </div>
    );
}
