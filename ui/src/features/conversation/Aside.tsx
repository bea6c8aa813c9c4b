import { Brain, ChevronRight, Wrench } from "lucide-react";
import type { ToolCall } from "../../protocol/frames";

interface ThoughtsProps {
    text: string;
    isThinking: boolean /* nothing has been said yet */;
}

/* What the model thought before it answered: closed, so that the answer is what one reads. */
export function Thoughts({ text, isThinking }: ThoughtsProps) {
    if (text === "") return null;
    return (
        <details className="aside" data-testid="thoughts">
            <summary>
                <Brain size={15} aria-hidden="true" />
                {isThinking ? "Thinking…" : "Thoughts"}
                <ChevronRight className="aside-mark" size={14} aria-hidden="true" />
            </summary>
            <p className="aside-text" dir="auto">
                {text}
            </p>
        </details>
    );
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
