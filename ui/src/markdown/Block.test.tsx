// @vitest-environment happy-dom
import { cleanup, fireEvent, render } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { Blocks } from "./Blocks";
import { BlockSplitter, splitWhole } from "./splitBlocks";

afterEach(cleanup);

/* The first formula loads KaTeX, which asks for a page of our time. */
Object.defineProperty(document, "compatMode", { value: "CSS1Compat" });
const WAIT = { timeout: 20_000 };

const show = (text: string, running = false) => {
    const { settled, tail } = splitWhole(text);
    return render(<Blocks settled={settled} tail={tail} running={running} />).container;
};

it("a picture is never fetched: its words link to it, and the host is named", () => {
    const view = show("![a cat](https://example.org/cat.png)");
    expect(view.querySelector("img")).toBeNull();
    const link = view.querySelector("a");
    expect(link?.textContent).toBe("a catexample.org");
    expect(link?.getAttribute("rel")).toBe("noopener noreferrer");
});

it("links open elsewhere and tell nothing", () => {
    const link = show("[x](https://example.org)").querySelector("a");
    expect(link?.getAttribute("target")).toBe("_blank");
    expect(link?.getAttribute("rel")).toBe("noopener noreferrer");
});

it.each([
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "[x](javascript:alert(1))",
    "<iframe src='https://example.org'></iframe>",
    "[x](data:text/html,<script>alert(1)</script>)",
])("%s does nothing", (text) => {
    const view = show(`before\n\n${text}\n\nafter`);
    expect(view.querySelector("script, img, iframe, [onerror]")).toBeNull();
    for (const link of view.querySelectorAll("a"))
        expect(link.getAttribute("href") ?? "").not.toMatch(/^(javascript|data):/);
});

it("a formula is drawn by KaTeX, which comes with the first one", WAIT, async () => {
    const view = show("so $x^2$ is\n\n$$\n\\sum_i i\n$$\n");
    expect(view.querySelectorAll(".maths-source")).toHaveLength(2);
    await vi.waitFor(() => expect(view.querySelectorAll(".katex")).toHaveLength(2), WAIT);
    expect(view.querySelectorAll(".katex-display")).toHaveLength(1);
});

it("a formula can neither link nor fetch", WAIT, async () => {
    const view = show("\\(\\href{javascript:alert(1)}{x} \\includegraphics{https://example.org/a.png}\\)");
    await vi.waitFor(() => expect(view.querySelector(".katex")).toBeTruthy(), WAIT);
    expect(view.querySelector("a, img")).toBeNull();
});

it("every block has the direction of its own words", () => {
    const view = show("English.\n\nمرحبا\n\n- שלום");
    expect([...view.children].map((block) => block.getAttribute("dir"))).toEqual(["auto", "auto", "auto"]);
});

it("a task's box says whether it is done", () => {
    const view = show("- [x] a\n- [ ] b");
    expect([...view.querySelectorAll("[role=img]")].map((box) => box.getAttribute("aria-label"))).toEqual([
        "Done",
        "To do",
    ]);
    expect(view.querySelector("input")).toBeNull();
});

it("a table scrolls by itself and keeps its alignment", () => {
    const view = show("| a | b |\n|:-:|--:|\n| 1 | 2 |");
    expect(view.querySelector(".table-scroll")?.getAttribute("tabindex")).toBe("0");
    expect([...view.querySelectorAll("td")].map((cell) => cell.getAttribute("align"))).toEqual([
        "center",
        "right",
    ]);
});

it("long lines of code wrap when the reader wants it", () => {
    const view = show("```\nx\n```\n");
    const button = view.querySelector("[aria-label='Wrap long lines']") as HTMLElement;
    fireEvent.click(button);
    expect(button.getAttribute("aria-pressed")).toBe("true");
    expect(view.querySelector(".code-block")?.getAttribute("data-wrap")).toBe("true");
});

it("a code block has its language and its source", () => {
    const view = show("```python\nx = 1\n\nprint(x)\n```\n");
    expect(view.querySelector(".code-head")?.textContent).toContain("python");
    expect(view.querySelector("pre code")?.textContent).toBe("x = 1\n\nprint(x)");
});

it("code within a list is a code block too", () => {
    const view = show("- do this:\n\n  ```sh\n  ls\n  ```\n");
    expect(view.querySelector("li .code-block code")?.textContent).toBe("ls");
});

it("a settled block keeps its elements while the answer grows and when it ends", () => {
    const splitter = new BlockSplitter();
    splitter.append("# Title\n\nFirst paragraph.\n\nSecond **par");
    const props = () => ({ settled: splitter.settled, tail: splitter.tail });
    const { container, rerender } = render(<Blocks {...props()} running />);
    const [title, first, second] = container.children;
    splitter.append("agraph**.\n\nThird");
    rerender(<Blocks {...props()} running />);
    rerender(<Blocks {...props()} running={false} />);
    expect(container.children[0]).toBe(title);
    expect(container.children[1]).toBe(first);
    expect(container.children[2]).toBe(second);
    expect(container.children[2]?.textContent).toBe("Second paragraph.");
    expect(container.children).toHaveLength(4);
});
