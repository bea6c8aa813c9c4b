// @vitest-environment happy-dom
import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import { Blocks } from "./Blocks";
import { BlockSplitter, splitWhole } from "./splitBlocks";

afterEach(cleanup);

const show = (text: string, running = false) => {
    const { settled, tail } = splitWhole(text);
    return render(<Blocks settled={settled} tail={tail} running={running} />).container;
};

it("a picture is never fetched: its words link to it", () => {
    const view = show("![a cat](https://example.org/cat.png)");
    expect(view.querySelector("img")).toBeNull();
    const link = view.querySelector("a");
    expect(link?.textContent).toBe("a cat");
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
