/* One top-level block of an answer. A settled block is rendered once: its text never changes, and memo holds. */

import { isValidElement, memo, type ReactNode } from "react";
import Markdown, { type Components } from "react-markdown";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";
import { CodeBlock } from "./CodeBlock";
import { readFencedCode } from "./fencedCode";
import { mendTail } from "./mendTail";

interface BlockProps {
    text: string;
    open: boolean /* more may come: what is half there is mended */;
}

export const Block = memo(function Block({ text, open }: BlockProps) {
    const fenced = readFencedCode(text);
    if (fenced) return <CodeBlock {...fenced} />;
    return (
        <Markdown remarkPlugins={REMARK_PLUGINS} rehypePlugins={REHYPE_PLUGINS} components={COMPONENTS}>
            {open ? mendTail(text) : text}
        </Markdown>
    );
});

const REMARK_PLUGINS = [remarkGfm];
/* Sanitizing comes last, whatever is put before it. Raw HTML never becomes elements; the ids that exist are
 * those of footnotes, which carry their prefix already. */
const REHYPE_PLUGINS: [typeof rehypeSanitize, typeof defaultSchema][] = [
    [rehypeSanitize, { ...defaultSchema, clobberPrefix: "" }],
];

const COMPONENTS: Components = {
    a: ({ href, children }) => {
        if (href?.startsWith("#")) return <a href={href}>{children}</a>;
        return (
            <a href={href} target="_blank" rel="noopener noreferrer">
                {children}
            </a>
        );
    },
    /* A picture from elsewhere is never fetched: that would tell its host who reads what. */
    img: ({ src, alt }) => {
        if (typeof src !== "string" || src === "") return <span>{alt}</span>;
        return (
            <a href={src} target="_blank" rel="noopener noreferrer" className="image-link">
                {alt || src}
            </a>
        );
    },
    pre: ({ children }) => {
        const code = Array.isArray(children) ? children[0] : children;
        if (!isValidElement<{ className?: string; children?: ReactNode }>(code)) return <pre>{children}</pre>;
        const language = /language-(\S+)/.exec(code.props.className ?? "")?.[1] ?? "";
        return <CodeBlock language={language} code={textOf(code.props.children).replace(/\n$/, "")} />;
    },
    table: ({ children }) => (
        <div className="table-scroll">
            <table>{children}</table>
        </div>
    ),
};

function textOf(node: ReactNode): string {
    if (typeof node === "string") return node;
    if (Array.isArray(node)) return node.map(textOf).join("");
    return "";
}
