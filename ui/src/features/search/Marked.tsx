import { Fragment, type ReactNode } from "react";

interface MarkedProps {
    text: string;
    marks: readonly (readonly [number, number])[] /* [start, length] in characters, in order */;
}

/* Marked shows where the words are that were looked for. */
export function Marked({ text, marks }: MarkedProps) {
    /* A character may be two units of the text. */
    const letters = [...text];
    const parts: ReactNode[] = [];
    let at = 0;
    for (const [start, length] of marks) {
        if (start < at || length <= 0 || start + length > letters.length) continue;
        parts.push(
            <Fragment key={start}>
                {letters.slice(at, start).join("")}
                <mark>{letters.slice(start, start + length).join("")}</mark>
            </Fragment>,
        );
        at = start + length;
    }
    return (
        <>
            {parts}
            {letters.slice(at).join("")}
        </>
    );
}
