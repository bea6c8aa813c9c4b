import { memo } from "react";
import { CopyButton } from "../ui/CopyButton";

interface CodeBlockProps {
    language: string;
    code: string;
}

export const CodeBlock = memo(function CodeBlock({ language, code }: CodeBlockProps) {
    return (
        <div className="code-block" dir="ltr">
            <div className="code-head">
                <span>{language || "text"}</span>
                <CopyButton text={() => code} label="Copy code" showLabel />
            </div>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines scroll, also with the keyboard */}
            <pre tabIndex={0} aria-label={language ? `Code, ${language}` : "Code"} role="group">
                <code>{code}</code>
            </pre>
        </div>
    );
});
