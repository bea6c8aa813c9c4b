import { Brain, ChevronRight, Wrench } from "lucide-react";
import { useEffect, useState } from "react";
import type { ToolCall } from "../../protocol/frames";
import { formatSeconds } from "../../ui/format";

interface ThoughtsProps {
    text: string;
    isThinking: boolean /* nothing has been said yet */;
    since: number | null /* performance.now() of the first thought; null: the page did not look on */;
    tookMs: number | null;
}

/* What the model thought before it answered: closed, so that the answer is what one reads. */
export function Thoughts({ text, isThinking, since, tookMs }: ThoughtsProps) {
    if (text === "") return null;
    return (
        <details className="aside" data-testid="thoughts">
            <summary>
                <Brain size={15} aria-hidden="true" />
                {isThinking ? <Thinking since={since} /> : thoughtWords(tookMs)}
                <ChevronRight className="aside-mark" size={14} aria-hidden="true" />
            </summary>
            <p className="aside-text" dir="auto">
                {text}
            </p>
        </details>
    );
}

const thoughtWords = (tookMs: number | null) =>
    tookMs === null || tookMs < 1000 ? "Thoughts" : `Thought for ${formatSeconds(tookMs)}`;

/* The timer is the only thing that is rendered with each second. */
function Thinking({ since }: { since: number | null }) {
    const [now, setNow] = useState(() => performance.now());
    useEffect(() => {
        if (since === null) return;
        const timer = setInterval(() => setNow(performance.now()), 1000);
        return () => clearInterval(timer);
    }, [since]);
    const ms = since === null ? 0 : now - since;
    return <span className="thinking">Thinking…{ms >= 1000 && ` ${formatSeconds(ms)}`}</span>;
}

/* The calls of tools that the model asks for. Nothing here carries them out. */
export function ToolCalls({ calls }: { calls: readonly ToolCall[] }) {
    if (calls.length === 0) return null;
    return (
        <ul className="calls" aria-label="Calls of tools" data-testid="tool-calls">
            {calls.map((call) => (
                <li key={call.id} className="call">
                    <Wrench size={15} aria-hidden="true" />
                    <code className="call-name">{call.name}</code>
                    <code className="call-arguments">{call.arguments}</code>
                </li>
            ))}
        </ul>
    );
}
