import { describe, expect, it } from "vitest";
import { mendTail } from "./mendTail";

describe("mendTail", () => {
    it.each([
        ["plain text is left alone", "a plain text", "a plain text"],
        ["open strong is closed", "some **bo", "some **bo**"],
        ["open emphasis is closed", "some *it", "some *it*"],
        ["strong within emphasis is closed inside out", "***both", "***both***"],
        ["half of the closing marks is completed", "**bold*", "**bold**"],
        ["marks with nothing after them are held back", "some **", "some "],
        ["marks close before the white space at the end", "**bo ", "**bo** "],
        ["closed marks are left alone", "**a** and *b*", "**a** and *b*"],
        ["a star between spaces is no mark", "2 * 3", "2 * 3"],
        ["an underscore within a word is no mark", "snake_case_name", "snake_case_name"],
        ["open strike-through is closed", "~~gone", "~~gone~~"],
        ["open code is closed", "use `npm", "use `npm`"],
        ["open code with two marks is closed with two", "use ``a`b", "use ``a`b``"],
        ["marks inside code are text", "`**a` b", "`**a` b"],
        ["a lone back-tick is held back", "use `", "use "],
        ["a link without an end shows its words", "see [the docs", "see the docs"],
        ["a link without its address shows its words", "see [the docs](https://ex", "see the docs"],
        ["a whole link is left alone", "see [a](https://b_c_d) x", "see [a](https://b_c_d) x"],
        ["a picture that is not complete is not shown", "x ![alt](htt", "x "],
        ["brackets of a task are left alone", "- [ ] **do", "- [ ] **do**"],
        ["an escaped mark is text", "\\*not", "\\*not"],
        ["a lone list mark waits", "text\n-", "text\n"],
        ["a heading mark alone waits", "text\n##", "text\n"],
        ["a number alone waits", "text\n2.", "text\n"],
        ["the beginning of a fence waits", "text\n``", "text\n"],
        ["a line of equal signs that is not complete waits", "text\n==", "text\n"],
        ["earlier paragraphs do not open marks", "a **b\n\nc", "a **b\n\nc"],
        ["earlier list items do not open marks", "- a *b\n- c", "- a *b\n- c"],
        ["inside a fence nothing is mended", "- x\n\n  ```\n  a **b", "- x\n\n  ```\n  a **b"],
        ["a table head becomes a table at once", "| a | b", "| a | b|\n|---|---|"],
        ["the second line of a table is completed", "| a | b |\n|--", "| a | b |\n|---|---|"],
        ["a table row is mended within its cell", "| a |\n|---|\n| **x", "| a |\n|---|\n| **x**"],
    ])("%s", (_fact, text, mended) => {
        expect(mendTail(text)).toBe(mended);
    });

    it("takes every prefix of a rich text without failing, and leaves the whole as it was", () => {
        const text =
            "# T\n\nA **b *c* `d`** [e](f) ![g](h) ~~i~~ \\* _j_\n- k\n  1. l\n> m\n\n| n | o |\n|---|---|\n| p | `q|` |\n\n```x\ny\n```\n";
        for (let end = 0; end <= text.length; end++)
            expect(typeof mendTail(text.slice(0, end))).toBe("string");
        expect(mendTail(text)).toBe(text);
    });
});
