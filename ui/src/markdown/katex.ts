/* The part of the page that draws formulas, loaded with the first one. KaTeX builds elements, never HTML text. */
import katex from "katex";
import "katex/dist/katex.min.css";

const SIZE_MAX_EM = 20;
const EXPANSIONS_MAX = 500;

export function draw(tex: string, element: HTMLElement, display: boolean): void {
    try {
        katex.render(tex, element, {
            displayMode: display,
            throwOnError: false,
            errorColor: "var(--danger-text)",
            strict: false,
            trust: false,
            maxSize: SIZE_MAX_EM,
            maxExpand: EXPANSIONS_MAX,
        });
    } catch {
        element.textContent = tex;
    }
}
