import { CircleAlert, CodeXml, Link2, RefreshCw, Type } from "lucide-react";
import {
    memo,
    type ReactNode,
    useLayoutEffect,
    useMemo,
    useRef,
    useState,
    useSyncExternalStore,
} from "react";
import type { Branch } from "../../chat/branches";
import type { AssistantItem } from "../../chat/items";
import { isTracing, tracePainted } from "../../chat/trace";
import type { TurnSnapshot, TurnStore } from "../../chat/turnStore";
import { Blocks } from "../../markdown/Blocks";
import { splitWhole } from "../../markdown/splitBlocks";
import { type Ending, fileTitle } from "../../protocol/frames";
import { CopyButton } from "../../ui/CopyButton";
import { IconButton } from "../../ui/IconButton";
import { MenuButton } from "../../ui/MenuButton";
import { Progress } from "../../ui/Progress";
import { useClient, useStore } from "../useClient";
import { Thoughts, ToolCalls } from "./Aside";
import { BranchSwitcher } from "./BranchSwitcher";
import {
    describeEnd,
    describePhase,
    type Figures,
    figuresOf,
    otherWords,
    rateWords,
    WENT_ON,
} from "./describe";
import type { MessageActions } from "./useMessageActions";

interface AssistantMessageProps {
    item: AssistantItem;
    onContinue: (() => void) | null /* null: it is not for this answer to go on */;
    branch?: Branch | undefined;
    actions?: MessageActions /* absent: it is only looked at */;
    canChange?: boolean /* no answer is being written */;
}

/* The only component that is rendered while tokens come. It stays when the turn ends, and when a turn begins that goes on with
 * an answer of a snapshot: nothing is built anew. */
export const AssistantMessage = memo(function AssistantMessage(props: AssistantMessageProps) {
    const { item, onContinue, branch, actions, canChange } = props;
    const { turn, message } = item;
    const prose = useRef<HTMLDivElement>(null);
    const [isSource, setSource] = useState(false);
    const live = useTurn(turn);
    const content = turn ? null : (message?.content ?? "");
    const whole = useMemo(() => (content === null ? null : splitWhole(content)), [content]);
    const generation = message?.generation ?? null;
    const ending = live ? live.ending : (generation?.ending ?? null);
    const seq = live ? live.seq : generation?.seq;
    const isLive = live !== null;
    const isRunning = isLive && !ending;
    const wentOn = live ? live.wentOn && live.seam === null : generation?.continues != null;
    const { settled, tail } = live ?? whole ?? { settled: [], tail: "" };
    const reasoning = live ? live.reasoning : (generation?.reasoning ?? "");
    const calls = live ? live.calls : (generation?.toolCalls ?? []);
    const hasSaid = settled.length > 0 || tail !== "" || calls.length > 0;
    useLayoutEffect(() => {
        if (isTracing && isLive && seq !== undefined) tracePainted(seq);
    }, [isLive, seq]);
    if (!live && !message) return null;
    const text = () => (turn ? turn.text : (content ?? ""));
    const hasText = text() !== "";
    return (
        <article
            className="message message-assistant"
            data-testid="message-assistant"
            data-message={message?.id}
            data-generation={(live ? live.generation : generation?.id) ?? undefined}
            data-end-reason={ending?.reason}
            aria-label="Answer"
            aria-busy={isRunning}
        >
            <Thoughts
                text={reasoning}
                isThinking={isRunning && !hasSaid}
                since={live?.thoughtAt ?? null}
                tookMs={live?.thoughtMs ?? null}
            />
            {isSource && (
                <pre className="source" data-testid="source" dir="auto">
                    {text()}
                </pre>
            )}
            <div
                ref={prose}
                hidden={isSource}
                className="prose"
                dir="auto"
                data-testid={isRunning ? "answer-streaming" : "answer"}
                data-seq={seq}
                data-caret={live?.status === "streaming" || undefined}
            >
                <Blocks settled={settled} tail={tail} running={isRunning} />
            </div>
            <ToolCalls calls={calls} />
            {live && isRunning && live.status !== "streaming" && <PhaseLine snapshot={live} />}
            {ending && <EndLine ending={ending} onContinue={onContinue} />}
            <MessageFoot
                figures={live ? liveFigures(live) : endFigures(ending, wentOn)}
                model={generation?.model ?? null}
                isLive={isRunning}
            >
                {actions && <BranchSwitcher branch={branch} onSelect={actions.select} />}
                {hasText && <CopyButton text={text} label="Copy the answer" />}
                {actions && canChange && message && (
                    <IconButton
                        className="tool-button"
                        label="Another answer"
                        data-testid="regenerate"
                        icon={<RefreshCw size={15} aria-hidden="true" />}
                        onClick={() => actions.regenerate(message.id)}
                    />
                )}
                {!isRunning && (
                    <span className="more-tools">
                        {hasText && (
                            <>
                                <CopyButton
                                    text={() => plainTextOf(prose.current)}
                                    label="Copy as plain text"
                                    icon={Type}
                                />
                                <IconButton
                                    className="tool-button"
                                    label="Show the source"
                                    icon={<CodeXml size={15} aria-hidden="true" />}
                                    aria-pressed={isSource}
                                    onClick={() => setSource(!isSource)}
                                />
                            </>
                        )}
                        {actions && canChange && message && (
                            <MenuButton
                                className="tool-button"
                                label="More about this answer"
                                data-testid="message-more"
                                actions={() => actions.more(message.id)}
                            />
                        )}
                    </span>
                )}
                {wentOn && <WentOnMark />}
            </MessageFoot>
        </article>
    );
});

/* What is seen, without marks, from a copy that is laid out: an element that is hidden has no lines. */
function plainTextOf(prose: HTMLElement | null): string {
    if (!prose) return "";
    const copy = prose.cloneNode(true) as HTMLElement;
    copy.hidden = false;
    for (const tool of copy.querySelectorAll(".code-head, .diagram")) tool.remove();
    for (const source of copy.querySelectorAll<HTMLElement>("pre[hidden]")) source.hidden = false;
    for (const maths of copy.querySelectorAll(".maths"))
        maths.textContent = maths.querySelector("annotation")?.textContent ?? maths.textContent;
    copy.className = "prose plain-copy";
    document.body.append(copy);
    const text = copy.innerText.trim();
    copy.remove();
    return text;
}

const never = () => () => {};
const nothing = () => null;

function useTurn(turn: TurnStore | null): TurnSnapshot | null {
    return useSyncExternalStore<TurnSnapshot | null>(turn?.subscribe ?? never, turn?.get ?? nothing);
}

function liveFigures(live: TurnSnapshot): Figures {
    const waited = live.ending && !live.wentOn ? figuresOf(live.ending).firstTokenMs : null;
    return {
        tokens: live.tokens,
        perSecond: live.tokensPerSecond,
        firstTokenMs: live.firstTokenMs ?? waited,
        leftOut: live.ending ? figuresOf(live.ending).leftOut : 0,
    };
}

/* The counts of the end are those of the last generation: they are not shown for more. */
function endFigures(ending: Ending | null, wentOn: boolean): Figures | null {
    const figures = ending && figuresOf(ending);
    return figures && wentOn ? { ...figures, tokens: 0, firstTokenMs: null } : figures;
}

function PhaseLine({ snapshot }: { snapshot: Parameters<typeof describePhase>[0] }) {
    const { socket } = useStore(useClient().connection);
    const { text, progress } = describePhase(snapshot, socket.state === "open");
    return (
        <div
            className="phase"
            data-testid="phase"
            data-phase={snapshot.phase?.phase ?? snapshot.status}
            data-seam={snapshot.seam ?? undefined}
            role="status"
        >
            <span className="phase-text">{text}</span>
            {progress !== null && <Progress value={progress} label={text} />}
        </div>
    );
}

interface EndLineProps {
    ending: Ending;
    onContinue: (() => void) | null;
}

/* Whatever is not whole can go on [N13]: what there are no words for is whole. */
function EndLine({ ending, onContinue }: EndLineProps) {
    const words = describeEnd(ending);
    if (!words) return null;
    return (
        <div className="end-line" data-level={words.level}>
            {words.level !== "quiet" && <CircleAlert size={15} aria-hidden="true" />}
            <p data-testid="end-reason">{words.text}</p>
            {onContinue && (
                <button
                    type="button"
                    className="button continue-button"
                    data-testid="continue"
                    onClick={onContinue}
                >
                    Continue
                </button>
            )}
        </div>
    );
}

function WentOnMark() {
    return (
        <span className="went-on" role="img" data-testid="went-on" aria-label={WENT_ON} title={WENT_ON}>
            <Link2 size={14} aria-hidden="true" />
        </span>
    );
}

interface MessageFootProps {
    figures: Figures | null;
    model: string | null;
    isLive: boolean;
    children: ReactNode;
}

/* One line that is always there, so that nothing moves when an answer ends. */
function MessageFoot({ figures, model, isLive, children }: MessageFootProps) {
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
                    {model !== null && <span data-testid="answer-model">{fileTitle(model)}</span>}
                </span>
            )}
        </div>
    );
}
