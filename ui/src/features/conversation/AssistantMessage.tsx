import { CircleAlert } from "lucide-react";
import { memo, type ReactNode, useLayoutEffect, useMemo } from "react";
import type { AssistantItem } from "../../chat/conversationStore";
import { isTracing, tracePainted } from "../../chat/trace";
import type { TurnStore } from "../../chat/turnStore";
import { Blocks } from "../../markdown/Blocks";
import { splitWhole } from "../../markdown/splitBlocks";
import type { Ending, Message } from "../../protocol/frames";
import { CopyButton } from "../../ui/CopyButton";
import { Progress } from "../../ui/Progress";
import { useClient, useStore } from "../useClient";
import { describeEnd, describePhase, type Figures, figuresOf, otherWords, rateWords } from "./describe";

export const AssistantMessage = memo(function AssistantMessage({ item }: { item: AssistantItem }) {
    if (item.turn) return <LiveAnswer turn={item.turn} />;
    return item.message ? <SettledAnswer message={item.message} /> : null;
});

/* The only component that is rendered while tokens come. It stays when the turn ends: nothing is built anew. */
function LiveAnswer({ turn }: { turn: TurnStore }) {
    const snapshot = useStore(turn);
    const { ending, seq } = snapshot;
    useLayoutEffect(() => {
        if (isTracing) tracePainted(seq);
    }, [seq]);
    const figures: Figures = {
        tokens: snapshot.tokens,
        perSecond: snapshot.tokensPerSecond,
        firstTokenMs: snapshot.firstTokenMs ?? (ending ? figuresOf(ending).firstTokenMs : null),
    };
    return (
        <article
            className="message message-assistant"
            data-testid="message-assistant"
            data-generation={snapshot.generation ?? undefined}
            data-end-reason={ending?.reason}
            aria-label="Answer"
            aria-busy={!ending}
        >
            <div
                className="prose"
                dir="auto"
                data-testid={ending ? "answer" : "answer-streaming"}
                data-seq={seq}
                data-caret={snapshot.status === "streaming" || undefined}
            >
                <Blocks settled={snapshot.settled} tail={snapshot.tail} running={!ending} />
            </div>
            {!ending && snapshot.status !== "streaming" && <PhaseLine snapshot={snapshot} />}
            {ending && <EndLine ending={ending} />}
            <MessageFoot figures={figures} isLive={!ending}>
                {turn.text !== "" && <CopyButton text={() => turn.text} label="Copy the answer" />}
            </MessageFoot>
        </article>
    );
}

function SettledAnswer({ message }: { message: Message }) {
    const blocks = useMemo(() => splitWhole(message.content), [message.content]);
    const ending = message.generation?.ending ?? null;
    return (
        <article
            className="message message-assistant"
            data-testid="message-assistant"
            data-generation={message.generation?.id}
            data-end-reason={ending?.reason}
            aria-label="Answer"
        >
            <div className="prose" dir="auto" data-testid="answer" data-seq={message.generation?.seq}>
                <Blocks settled={blocks.settled} tail={blocks.tail} running={false} />
            </div>
            {ending && <EndLine ending={ending} />}
            <MessageFoot figures={ending && figuresOf(ending)} isLive={false}>
                {message.content !== "" && (
                    <CopyButton text={() => message.content} label="Copy the answer" />
                )}
            </MessageFoot>
        </article>
    );
}

function PhaseLine({ snapshot }: { snapshot: Parameters<typeof describePhase>[0] }) {
    const { socket } = useStore(useClient().connection);
    const { text, progress } = describePhase(snapshot, socket.state === "open");
    return (
        <div
            className="phase"
            data-testid="phase"
            data-phase={snapshot.phase?.phase ?? snapshot.status}
            role="status"
        >
            <span className="phase-text">{text}</span>
            {progress !== null && <Progress value={progress} label={text} />}
        </div>
    );
}

function EndLine({ ending }: { ending: Ending }) {
    const words = describeEnd(ending);
    if (!words) return null;
    return (
        <p className="end-line" data-level={words.level} data-testid="end-reason">
            {words.level !== "quiet" && <CircleAlert size={15} aria-hidden="true" />}
            <span>{words.text}</span>
        </p>
    );
}

interface MessageFootProps {
    figures: Figures | null;
    isLive: boolean;
    children: ReactNode;
}

/* One line that is always there, so that nothing moves when an answer ends. */
function MessageFoot({ figures, isLive, children }: MessageFootProps) {
    const rate = figures && rateWords(figures);
    return (
        <div className="message-foot" data-live={isLive}>
            {children}
            {figures && (
                <span className="figures">
                    {rate && <span data-testid="tokens-per-second">{rate}</span>}
                    {otherWords(figures).map((words) => (
                        <span key={words}>{words}</span>
                    ))}
                </span>
            )}
        </div>
    );
}
