// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { setTheme } from "../ui/theme";
import { Blocks } from "./Blocks";
import { drawDiagram } from "./drawDiagram";
import { splitWhole } from "./splitBlocks";

/* What draws needs a browser that lays out: the end-to-end tests have one. */
vi.mock("./drawDiagram", () => ({ drawDiagram: vi.fn() }));
const drawing = vi.mocked(drawDiagram);

let n = 0;
const sourceOf = () => `graph TD\n  A${++n} --> B`;
const fence = (source: string) => `\`\`\`mermaid\n${source}\n\`\`\`\n`;

function show(text: string, running = false) {
    const { settled, tail } = splitWhole(text);
    return <Blocks settled={settled} tail={tail} running={running} />;
}

const settle = () => act(async () => void (await vi.dynamicImportSettled()));
const code = () => document.querySelector("pre") as HTMLElement;

beforeEach(() => {
    vi.stubGlobal("matchMedia", () => ({ matches: false }));
    drawing.mockReset();
    drawing.mockImplementation(async (source) => ({
        svg: `<svg><title>${source.length}</title></svg>`,
        label: "Diagram: flowchart",
    }));
});
afterEach(() => {
    cleanup();
    vi.unstubAllGlobals();
});

it("a diagram is code while it is written, and drawn when it is whole", async () => {
    const source = sourceOf();
    const { rerender, container } = render(show(`\`\`\`mermaid\n${source}`, true));
    await settle();
    expect(drawing).not.toHaveBeenCalled();
    expect(code().hidden).toBe(false);
    rerender(show(`${fence(source)}\nAnd more.`, true));
    await settle();
    expect(drawing).toHaveBeenCalledExactlyOnceWith(source);
    expect(code().hidden).toBe(true);
    const place = screen.getByTestId("diagram").firstElementChild;
    expect(place?.shadowRoot?.textContent).toBe(String(source.length));
    expect(container.querySelector("svg svg, .diagram svg")).toBeNull();
});

it("one that was cut in the middle stays code, and nobody is told of an error", async () => {
    render(show(`\`\`\`mermaid\n${sourceOf()}`));
    await settle();
    expect(drawing).not.toHaveBeenCalled();
    expect(screen.queryByText(/cannot be drawn/)).toBeNull();
});

it("source and diagram by a button", async () => {
    render(show(fence(sourceOf())));
    await settle();
    const button = screen.getByLabelText("Source of the diagram");
    fireEvent.click(button);
    expect(button.getAttribute("aria-pressed")).toBe("true");
    expect(code().hidden).toBe(false);
    expect(screen.queryByTestId("diagram")).toBeNull();
    fireEvent.click(button);
    expect(code().hidden).toBe(true);
});

it.each([
    [
        "Parse error on line 3:\n...A[x\n---^\nExpecting 'SQE'",
        "This diagram cannot be drawn: it is not understood near line 2.",
    ],
    [
        "No diagram type detected matching given configuration",
        "This diagram cannot be drawn: its kind is not known.",
    ],
    ["Failed to fetch dynamically imported module", "This diagram cannot be drawn."],
])("what cannot be drawn stays code, with a sentence: %s", async (why, words) => {
    drawing.mockRejectedValueOnce(new Error(why));
    render(show(fence(sourceOf())));
    await settle();
    expect(code().hidden).toBe(false);
    expect(screen.getByText(words)).toBeTruthy();
});

it("it is drawn anew in another theme, and at once in one that it had before", async () => {
    const source = sourceOf();
    render(show(fence(source)));
    await settle();
    act(() => setTheme("dark"));
    await settle();
    expect(drawing).toHaveBeenCalledTimes(2);
    act(() => setTheme("light"));
    await settle();
    expect(drawing).toHaveBeenCalledTimes(2);
});
