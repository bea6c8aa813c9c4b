import { describe, expect, it } from "vitest";
import { BlockSplitter, splitWhole } from "./splitBlocks";

const split = (text: string) => {
    const { settled, tail } = splitWhole(text);
    return tail === "" ? [...settled] : [...settled, tail];
};

const SAMPLES = [
    "One.\n\nTwo\nlines.\n\n\nThree.",
    "Here:\n```python\nx = 1\n\n\ny = 2\n```\nAfter it.\n",
    "Intro\n# Title\nText\n\n***\n\n- a\n\n- b\n  c\n\n   ```js\n   x\n\n   y\n   ```\n\nDone",
    "1. one\n2. two\n\n3. three\n\n* other\n* list\n\nEnd **bold** text",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\nnext\n\n    indented\n\n    more\n\nplain",
    "<!-- a\n\nb -->\ntext\n\n<pre>\n\nx</pre>\nmore",
    "~~~\n```\n\n~~~\n> quote\n> more\n\n> other\n\r\n\r\nwindows\r\n\r\nend",
    "\n\n  \nstart after blanks\n\n```\nnever closed\n\nstill",
    "- a\n\n-\n\n--- \n\n- - -\n\ntext #no\n#5 no heading\n####### no",
    "Ünïcödé 😀\n\n日本語\n\n- ä\n",
];

describe("splitBlocks", () => {
    it("keeps every byte [B1]", () => {
        for (const text of SAMPLES) expect(split(text).join("")).toBe(text);
    });

    it("gives the same result for every way of cutting the text into appends [B2]", () => {
        let seed = 7;
        const random = (below: number) => {
            seed = (seed * 1103515245 + 12345) % 2147483648;
            return seed % below;
        };
        for (const text of SAMPLES) {
            const whole = new BlockSplitter();
            whole.append(text);
            for (let round = 0; round < 40; round++) {
                const splitter = new BlockSplitter();
                for (let at = 0; at < text.length; ) {
                    const size = 1 + random(round < 20 ? 3 : 17);
                    splitter.append(text.slice(at, at + size));
                    at += size;
                }
                expect(splitter.settled).toEqual(whole.settled);
                expect(splitter.tail).toBe(whole.tail);
            }
        }
    });

    it("cuts paragraphs at blank lines", () => {
        expect(split("One.\n\nTwo\nlines.\n\nThree")).toEqual(["One.\n\n", "Two\nlines.\n\n", "Three"]);
    });

    it("cuts before a fence that follows text at once, and after it closes", () => {
        expect(split("Here:\n```py\nx\n\ny\n```\nAfter")).toEqual([
            "Here:\n",
            "```py\nx\n\ny\n```\n",
            "After",
        ]);
    });

    it("does not cut inside an open fence", () => {
        expect(split("```\na\n\n# b\n\n- c")).toEqual(["```\na\n\n# b\n\n- c"]);
    });

    it("a longer fence is not closed by a shorter one", () => {
        expect(split("````\n```\n\nx\n````\ny")).toEqual(["````\n```\n\nx\n````\n", "y"]);
    });

    it("a loose list stays one block, with its indented parts", () => {
        expect(split("- a\n\n- b\n\n  more\n\n  ```\n  x\n\n  ```\n\nend")).toEqual([
            "- a\n\n- b\n\n  more\n\n  ```\n  x\n\n  ```\n\n",
            "end",
        ]);
    });

    it("a list of another kind is another block", () => {
        expect(split("- a\n\n1. b\n\n2. c\n\n* d\n")).toEqual(["- a\n\n", "1. b\n\n2. c\n\n", "* d\n"]);
    });

    it("a table is settled by the blank line after it", () => {
        expect(split("| a |\n|---|\n| 1 |\n\nx")).toEqual(["| a |\n|---|\n| 1 |\n\n", "x"]);
    });

    it("a line of dashes under a paragraph stays with it: it makes a heading", () => {
        expect(split("Title\n---\ntext")).toEqual(["Title\n---\ntext"]);
    });

    it("a half line that surely begins a block is cut off at once", () => {
        const splitter = new BlockSplitter();
        splitter.append("- a\n\nN");
        expect(splitter.settled).toEqual(["- a\n\n"]);
        expect(splitter.tail).toBe("N");
    });

    it("a half line that may continue the list is not", () => {
        const splitter = new BlockSplitter();
        splitter.append("1. a\n\n2");
        expect(splitter.settled).toEqual([]);
    });

    it("a whole text with reference definitions is one block, so that they bind", () => {
        expect(split("See [a].\n\n[a]: https://example.org\n")).toHaveLength(1);
    });

    describe("a long list [B4]", () => {
        const items = (from: number, to: number, item: (n: number) => string) =>
            Array.from({ length: to - from }, (_, i) => item(from + i)).join("");
        const words = " some words of an item that is neither short nor long, with a\n  second line\n";

        it.each([
            ["bullets", (_n: number) => `-${words}`],
            ["numbers", (n: number) => `${n}.${words}`],
        ])("is cut between its items: %s", (_fact, item) => {
            const text = items(1, 200, item);
            const blocks = split(text);
            expect(blocks.join("")).toBe(text);
            expect(blocks.length).toBeGreaterThan(3);
            for (const block of blocks) {
                expect(block).toMatch(/^(?:-|\d+\.) /);
                expect(block.length).toBeLessThan(3000);
            }
        });

        it("is not cut where its numbers do not go on", () => {
            expect(split(items(1, 200, () => `1.${words}`))).toHaveLength(1);
        });

        it("is cut in the same places however it came [B2]", () => {
            const text = items(1, 100, (n) => `${n}.${words}`);
            const splitter = new BlockSplitter();
            for (let at = 0; at < text.length; at += 3) splitter.append(text.slice(at, at + 3));
            expect([...splitter.settled, splitter.tail]).toEqual(split(text));
        });
    });

    it("reads a long answer in time that grows with its length only", () => {
        const splitter = new BlockSplitter();
        for (let i = 0; i < 20_000; i++) splitter.append(i % 50 === 49 ? "word.\n\n" : "word ");
        expect(splitter.settled).toHaveLength(400);
    });
});
