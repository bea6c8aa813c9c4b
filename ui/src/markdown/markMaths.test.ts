import { describe, expect, it } from "vitest";
import { DISPLAY as D, INLINE as I, markMaths } from "./markMaths";

describe("formulas", () => {
    it.each([
        ["dollars", "so $x^2$ is", `so \`${I}x^2\` is`],
        ["brackets of TeX", "\\(a_1*b\\) and *c*", `\`${I}a_1*b\` and *c*`],
        ["a display of dollars", "$$ a = b $$", `\`${D}a = b\``],
        ["a display of brackets", "\\[\n a \\\\\n - b\n\\]", `\`${D}a \\\\ - b\``],
        ["a comment in TeX", "$$\na % why\n+ b\n$$", `\`${D}a + b\``],
        ["in a row of a table", "| $|x|$ |", `| \`${I}\\|x\\|\` |`],
        ["in a quotation", "> $$\n> a\n> $$", `> \`${D}a\``],
        ["with a back-tick", "$a`b$", `\`\`${I}a\`b\`\``],
    ])("%s", (_fact, text, marked) => {
        expect(markMaths(text, false)).toBe(marked);
    });
});

describe("what is no formula stays as it is", () => {
    it.each([
        ["prices", "It costs $5 of this and $10 of that."],
        ["a range of prices", "$5-$10"],
        ["variables of a shell", "$HOME/bin:$PATH"],
        ["a code span", "`$x$` and ``\\(a\\)``"],
        ["a fence in a list", "- a\n\n  ```sh\n  echo $A $B$\n  ```\n"],
        ["an escaped dollar", "\\$x$"],
        ["a display that is never closed", "$$ a"],
        ["an empty formula", "\\(\\)"],
        ["a dollar of an earlier paragraph", "$a\n\nb$ c"],
    ])("%s", (_fact, text) => {
        expect(markMaths(text, false)).toBe(text);
    });
});

describe("while it grows", () => {
    it.each([
        ["a display waits for its end", "so\n\n$$\na = ", "so\n\n"],
        ["brackets wait for their end", "with \\(a", "with "],
        ["a lone mark waits", "with \\", "with "],
        ["a formula waits for its end", "with $x_", "with "],
        ["a price does not wait", "costs $5 o", "costs $5 o"],
        ["a variable does not wait for long", "in $HOME/some/where", "in $HOME/some/where"],
    ])("%s", (_fact, text, shown) => {
        expect(markMaths(text, true)).toBe(shown);
    });

    it("takes every prefix of a rich text without failing", () => {
        const text = "a $x$ \\(y\\) \\[z\\] $$w$$ `$q$` $5 \\\\ \n```\n$\n```\n| $|a|$ |";
        for (let end = 0; end <= text.length; end++)
            expect(typeof markMaths(text.slice(0, end), true)).toBe("string");
    });
});
