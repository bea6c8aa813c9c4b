import { CodeXml, Download, WrapText } from "lucide-react";
import { createContext, memo, useContext, useEffect, useRef, useState } from "react";
import { CopyButton } from "../ui/CopyButton";
import { IconButton } from "../ui/IconButton";
import { Diagram } from "./Diagram";
import { highlight, knownRuns, type Run } from "./highlight";
import { whenNotSelected } from "./inPlace";
import { useDiagram } from "./useDiagram";

/* Is more to come? Code is coloured once, when it is whole. */
export const IsOpen = createContext(false);

interface CodeProps {
    language: string;
    code: string;
}

interface CodeBlockProps extends CodeProps {
    isClosed?: boolean /* false: the answer was cut within it */;
}

export const CodeBlock = memo(function CodeBlock({ language, code, isClosed = true }: CodeBlockProps) {
    const isOpen = useContext(IsOpen);
    const [isWrapped, setWrapped] = useState(false);
    const [isSource, setSource] = useState(false);
    const box = useRef<HTMLDivElement>(null);
    const isDiagram = language.toLowerCase() === "mermaid" && isClosed && !isOpen;
    const { drawn, why } = useDiagram(isDiagram ? code : null, box);
    const name = language || "text";
    const isDrawn = drawn !== null && !isSource;
    return (
        <div className="code-block" dir="ltr" data-wrap={isWrapped} ref={box}>
            <div className="code-head">
                <span>{name}</span>
                {drawn && (
                    <IconButton
                        className="tool-button"
                        label="Source of the diagram"
                        icon={<CodeXml size={15} aria-hidden="true" />}
                        aria-pressed={isSource}
                        onClick={() => setSource(!isSource)}
                    />
                )}
                {!isDrawn && (
                    <IconButton
                        className="tool-button"
                        label="Wrap long lines"
                        icon={<WrapText size={15} aria-hidden="true" />}
                        aria-pressed={isWrapped}
                        onClick={() => setWrapped(!isWrapped)}
                    />
                )}
                <IconButton
                    className="tool-button"
                    label="Save as a file"
                    icon={<Download size={14} aria-hidden="true" />}
                    onClick={() => saveAs(code, language)}
                />
                <CopyButton text={() => code} label="Copy code" showLabel />
            </div>
            {isDrawn && <Diagram drawn={drawn} />}
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines scroll, also with the keyboard */}
            <pre tabIndex={0} aria-label={`Code, ${name}`} role="group" hidden={isDrawn}>
                <Code language={language} code={code} />
            </pre>
            {why !== null && <p className="code-note">{why}</p>}
        </div>
    );
});

function Code({ language, code }: CodeProps) {
    const isOpen = useContext(IsOpen);
    const element = useRef<HTMLElement>(null);
    const [runs, setRuns] = useState<{ of: string; lines: Run[][] } | null>(null);
    const lines = isOpen ? null : runs?.of === code ? runs.lines : knownRuns(code, language);
    const isColoured = lines !== null;
    useEffect(() => {
        if (isOpen || isColoured) return;
        let stop = () => {};
        let isWanted = true;
        void highlight(code, language).then((found) => {
            if (!isWanted || !found) return;
            stop = whenNotSelected(element.current, () => setRuns({ of: code, lines: found }));
        });
        return () => {
            isWanted = false;
            stop();
        };
    }, [isOpen, isColoured, code, language]);
    return <code ref={element}>{lines ? lines.map(renderLine) : code}</code>;
}

function renderLine(runs: Run[], place: number) {
    return [
        place > 0 ? "\n" : "",
        ...runs.map(([text, kind], at) =>
            kind === "" ? (
                text
            ) : (
                // biome-ignore lint/suspicious/noArrayIndexKey: the place is the run's identity
                <span key={`${place}-${at}`} className={`syn-${kind}`}>
                    {text}
                </span>
            ),
        ),
    ];
}

function saveAs(code: string, language: string): void {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([code], { type: "text/plain" }));
    link.download = `code.${EXTENSIONS[language.toLowerCase()] ?? (/^[a-z0-9]{1,8}$/i.test(language) ? language : "txt")}`;
    link.click();
    URL.revokeObjectURL(link.href);
}

const EXTENSIONS: Record<string, string> = {
    bash: "sh",
    csharp: "cs",
    javascript: "js",
    kotlin: "kt",
    markdown: "md",
    mermaid: "mmd",
    powershell: "ps1",
    python: "py",
    ruby: "rb",
    rust: "rs",
    shell: "sh",
    text: "txt",
    typescript: "ts",
    yaml: "yml",
};
