import { expect, it } from "vitest";
import { FILE_BYTES_MAX, kindOf, shortName, TEXT_BYTES_MAX } from "./checkFile";
import { pageText } from "./pdfText";

const bytes = (text: string) => new TextEncoder().encode(text);
const file = (size: number, type = "") => ({ size, type });

it("text and code are taken by what is in them, not by their names", () => {
    expect(kindOf(file(5), bytes("Hällo"))).toEqual({ kind: "text" });
    expect(kindOf(file(5, "application/octet-stream"), bytes("int x;"))).toEqual({ kind: "text" });
    expect(kindOf(file(9000), bytes(`${"x".repeat(8191)}ü`).slice(0, 8192))).toEqual({ kind: "text" });
    expect(kindOf(file(FILE_BYTES_MAX), bytes("%PDF-1.7"))).toEqual({ kind: "pdf" });
});

it.each([
    ["an empty file", file(0), bytes(""), /empty/],
    ["a picture", file(9, "image/png"), bytes("\x89PNG"), /can see/],
    ["a film", file(9, "video/mp4"), bytes("x"), /watch/],
    ["a program", file(9), new Uint8Array([127, 69, 76, 70, 0]), /UTF-8/],
    ["another encoding", file(9), new Uint8Array([102, 252, 114]), /UTF-8/],
    ["long text", file(TEXT_BYTES_MAX + 1), bytes("x"), /256|262/],
    ["a very large file", file(FILE_BYTES_MAX + 1), bytes("%PDF-"), /part/],
])("%s is refused before it is sent, in a sentence", (_, given, head, why) => {
    const kind = kindOf(given, head);
    expect(kind.kind === "refused" && kind.why).toMatch(why);
});

it("a long name keeps its ending", () => {
    expect(shortName("a.txt")).toBe("a.txt");
    const short = shortName(`${"ü".repeat(300)}.py`);
    expect(bytes(short).length).toBeLessThanOrEqual(200);
    expect(short).toMatch(/^ü+\.py$/);
    expect(shortName("a\nb\u0000.txt")).toBe("ab.txt");
});

it("the pieces of a page are lines where they say so", () => {
    const items = [{ str: "One" }, { str: " two", hasEOL: true }, { type: "mark" }, { str: "three" }];
    expect(pageText(items)).toBe("One two\nthree");
});
