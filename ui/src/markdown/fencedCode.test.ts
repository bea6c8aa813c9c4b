import { expect, it } from "vitest";
import { readFencedCode } from "./fencedCode";

it.each([
    ["a closed fence", "```py\nx\n```\n", { language: "py", code: "x" }],
    ["an open fence", "```js\na\n\nb", { language: "js", code: "a\n\nb" }],
    ["an open fence at the end of a line", "```js\na\n", { language: "js", code: "a" }],
    ["a fence whose end is half there", "```\na\n``", { language: "", code: "a" }],
    ["a fence with nothing yet", "```rust", { language: "rust", code: "" }],
    ["a tilde fence with back-ticks in it", "~~~\n```\n~~~", { language: "", code: "```" }],
    ["an indented fence", "  ```\n  a\n    b\n  ```", { language: "", code: "a\n  b" }],
    ["blank lines before it", "\n\n```\na\n```", { language: "", code: "a" }],
    ["a paragraph", "text", null],
    ["inline code", "```x``` y", null],
    ["text after the end", "```\na\n```\nb", null],
])("%s", (_fact, block, code) => {
    expect(readFencedCode(block)).toEqual(code && expect.objectContaining(code));
});

it.each([
    ["```\na\n```", true],
    ["```\na\n``", false],
])("%j is closed: %s", (block, isClosed) => {
    expect(readFencedCode(block)?.isClosed).toBe(isClosed);
});
