import { useLayoutEffect, useRef } from "react";
import type { Drawn } from "./drawDiagram";

/* A diagram in a tree of its own: neither do its styles reach the page, nor those of the page reach it. */
export function Diagram({ drawn }: { drawn: Drawn }) {
    const place = useRef<HTMLDivElement>(null);
    useLayoutEffect(() => {
        const host = place.current;
        if (host) (host.shadowRoot ?? host.attachShadow({ mode: "open" })).innerHTML = drawn.svg;
    }, [drawn]);
    return (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide diagram scrolls, also with the keyboard
        <div className="diagram" tabIndex={0} role="group" aria-label={drawn.label} data-testid="diagram">
            <div ref={place} />
        </div>
    );
}
