import { formatCount, formatPercent } from "../../ui/format";

export const CONTEXT_WARNING = 0.8;
export const CONTEXT_ALARM = 0.95;

interface ContextMeterProps {
    used: number | null;
    max: number | null;
}

/* How full the context window is: a ring, the figure beside it, and a colour that warns. */
export function ContextMeter({ used, max }: ContextMeterProps) {
    if (used === null || max === null || max <= 0 || used <= 0) return null;
    const part = Math.min(1, used / max);
    const level = part >= CONTEXT_ALARM ? "alarm" : part >= CONTEXT_WARNING ? "warning" : "fine";
    const text = `${formatCount(used)} of ${formatCount(max)} tokens of the context are used (${formatPercent(part)})`;
    return (
        <div
            className="context-meter"
            data-testid="context-meter"
            data-level={level}
            data-used={used}
            data-max={max}
            role="meter"
            aria-label="Context used"
            aria-valuemin={0}
            aria-valuemax={max}
            aria-valuenow={used}
            aria-valuetext={text}
            title={text}
        >
            <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
                <circle cx="8" cy="8" r="6" />
                <circle
                    cx="8"
                    cy="8"
                    r="6"
                    pathLength="100"
                    strokeDasharray={`${Math.max(1, part * 100)} 100`}
                />
            </svg>
            <span>
                {formatCount(used)} / {formatCount(max)}
            </span>
        </div>
    );
}

/* What to do when little is left. */
export function contextAdvice(used: number | null, max: number | null): string | null {
    if (used === null || max === null || max <= 0 || used / max < CONTEXT_WARNING) return null;
    if (used >= max)
        return "The context is full: begin a new conversation, or load the model with a larger context.";
    return `The context is ${formatPercent(used / max)} full. When it is full, the answer ends there.`;
}
