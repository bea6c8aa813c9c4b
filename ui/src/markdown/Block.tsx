/* One top-level block of an answer. A settled block is rendered once: its text never changes, and memo holds. */

import { Check, Image } from "lucide-react";
import { isValidElement, memo, type ReactNode } from "react";
import Markdown, { type Components } from "react-markdown";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";
import { CodeBlock, IsOpen } from "./CodeBlock";
import { readFencedCode } from "./fencedCode";
import { Maths } from "./Maths";
import { DISPLAY, INLINE, markMaths } from "./markMaths";
import { mendTail } from "./mendTail";
import "./markdown.css";

interface BlockProps {
    text: string;
    open: boolean /* more may come: what is half there is mended */;
}

export const Block = memo(function Block({ text, open }: BlockProps) {
    return (
        <IsOpen value={open}>
            <BlockBody text={text} open={open} />
        </IsOpen>
    );
});

function BlockBody({ text, open }: BlockProps) {
    const fenced = readFencedCode(text);
    if (fenced) return <CodeBlock {...fenced} />;
    const marked = markMaths(text, open);
    return (
        <Markdown remarkPlugins={REMARK_PLUGINS} rehypePlugins={REHYPE_PLUGINS} components={COMPONENTS}>
            {open ? mendTail(marked) : marked}
        </Markdown>
    );
}

interface Node {
    type: string;
    tagName?: string;
    properties?: Record<string, unknown>;
    children?: Node[];
}

/* Each block has the direction of its own first letter. */
function rehypeDirection() {
    return (root: Node) => {
        for (const node of root.children ?? [])
            if (node.type === "element") node.properties = { ...node.properties, dir: "auto" };
    };
}

const REMARK_PLUGINS = [remarkGfm];
/* Sanitizing comes last, whatever is put before it. Raw HTML never becomes elements; the ids that exist are
 * those of footnotes, which carry their prefix already. */
const REHYPE_PLUGINS: Parameters<typeof Markdown>[0]["rehypePlugins"] = [
    rehypeDirection,
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
    /* A picture from elsewhere is never fetched: that would tell its host who reads what. The link names the host. */
    img: ({ src, alt }) => {
        if (typeof src !== "string" || src === "") return <span>{alt}</span>;
        return (
            <a href={src} target="_blank" rel="noopener noreferrer" className="image-link">
                <Image size={15} aria-hidden="true" />
                {alt || src}
                <small>{hostOf(src)}</small>
            </a>
        );
    },
    code: ({ children, className }) => {
        const text = textOf(children);
        if (text.startsWith(INLINE) || text.startsWith(DISPLAY))
            return <Maths tex={text.slice(1)} display={text.startsWith(DISPLAY)} />;
        return (
            <code className={className} dir="ltr">
                {children}
            </code>
        );
    },
    pre: ({ children }) => {
        const code = Array.isArray(children) ? children[0] : children;
        if (!isValidElement<{ className?: string; children?: ReactNode }>(code)) return <pre>{children}</pre>;
        const language = /language-(\S+)/.exec(code.props.className ?? "")?.[1] ?? "";
        return <CodeBlock language={language} code={textOf(code.props.children).replace(/\n$/, "")} />;
    },
    table: ({ children }) => (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table scrolls, also with the keyboard
        <div className="table-scroll" tabIndex={0} role="group" aria-label="Table" dir="auto">
            <table>{children}</table>
        </div>
    ),
    th: ({ children, style }) => <th align={alignOf(style)}>{children}</th>,
    td: ({ children, style }) => <td align={alignOf(style)}>{children}</td>,
    /* The boxes of a task list are read, not ticked. */
    input: ({ checked }) => (
        <span
            className="task"
            role="img"
            aria-label={checked ? "Done" : "To do"}
            data-done={checked === true}
        >
            {checked === true && <Check size={12} strokeWidth={3} aria-hidden="true" />}
        </span>
    ),
};

function alignOf(style: { textAlign?: string | undefined } | undefined): "center" | "right" | undefined {
    return style?.textAlign === "center" || style?.textAlign === "right" ? style.textAlign : undefined;
}

function hostOf(address: string): string {
    try {
        return new URL(address, location.href).host;
    } catch {
        return "";
    }
}

function textOf(node: ReactNode): string {
    if (typeof node === "string") return node;
    if (Array.isArray(node)) return node.map(textOf).join("");
    return "";
}
