import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

/* What is written on what. */
const GROUNDS = ["page", "side", "raised", "bubble", "code", "code-inline", "hover", "selected"];
const PAIRS: readonly (readonly [string, readonly string[]])[] = [
    ["text", [...GROUNDS, "accent-soft", "mark"]],
    ["muted", ["page", "side", "raised", "bubble", "code", "hover", "selected"]],
    ["accent-text", ["page", "side", "raised", "bubble", "hover"]],
    ["on-accent", ["accent", "accent-strong"]],
    ["good-text", ["page", "raised"]],
    ["warning-text", ["page", "side", "raised", "warning-soft"]],
    ["danger-text", ["page", "side", "raised", "hover", "danger-soft"]],
    ["page", ["text", "danger-text"]],
    ...["comment", "keyword", "string", "number", "function", "type", "tag"].map(
        (name) => [`syn-${name}`, ["code"]] as const,
    ),
];
/* What is only seen: borders of what can be used, dots, the caret (WCAG 1.4.11). */
const SHAPES: readonly (readonly [string, readonly string[]])[] = [
    ["accent", ["page", "side", "raised"]],
    ["good", ["page", "raised"]],
    ["danger", ["page", "raised"]],
];
const TEXT_MIN = 4.5;
const SHAPE_MIN = 3;

function tokensOf(theme: "light" | "dark"): Map<string, string> {
    const css = readFileSync(new URL("tokens.css", import.meta.url), "utf8");
    const block = css.split(`:root[data-theme="${theme}"]`)[1]?.split("}")[0] ?? "";
    return new Map(
        [...block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6});/g)].map((m) => [m[1] as string, m[2] as string]),
    );
}

function luminance(hex: string): number {
    const [r, g, b] = [1, 3, 5]
        .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
}

function contrast(one: string, other: string): number {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
}

describe.each(["light", "dark"] as const)("the %s theme", (theme) => {
    const tokens = tokensOf(theme);
    const tooLow = (pairs: typeof PAIRS, least: number) =>
        pairs.flatMap(([name, grounds]) =>
            grounds
                .map((ground) => ({
                    pair: `${name} on ${ground}`,
                    ratio: contrast(tokens.get(name) ?? "", tokens.get(ground) ?? ""),
                }))
                .filter(({ ratio }) => !(ratio >= least))
                .map(({ pair, ratio }) => `${pair}: ${ratio.toFixed(2)}`),
        );

    it(`every text has a contrast of ${TEXT_MIN}:1 on every ground that it stands on`, () => {
        expect(tooLow(PAIRS, TEXT_MIN)).toEqual([]);
    });

    it(`every shape has a contrast of ${SHAPE_MIN}:1`, () => {
        expect(tooLow(SHAPES, SHAPE_MIN)).toEqual([]);
    });
});

it.each(["../../public/theme.js", "theme.ts"])(
    "the browser's own bars have the colour of the page (%s)",
    (name) => {
        const text = readFileSync(new URL(name, import.meta.url), "utf8");
        const found = [...text.matchAll(/"(#[0-9a-f]{6})"/g)].map((m) => m[1]).sort();
        expect(found).toEqual([tokensOf("dark").get("page"), tokensOf("light").get("page")].sort());
    },
);

it("who asks for less motion gets none", () => {
    const css = readFileSync(new URL("base.css", import.meta.url), "utf8");
    const block = css.split("(prefers-reduced-motion: reduce)")[1] ?? "";
    expect(block).toMatch(/animation-duration: 0\.01ms !important/);
    expect(block).toMatch(/transition-duration: 0\.01ms !important/);
});

it("colours are named in tokens.css alone", () => {
    const root = new URL("..", import.meta.url);
    const wrong = readdirSync(root, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".css") && !name.endsWith("tokens.css"))
        .filter((name) => /#[0-9a-f]{3,8}\b|rgb\(/i.test(readFileSync(new URL(name, root), "utf8")));
    expect(wrong).toEqual([]);
});

it("both themes name the same colours", () => {
    expect([...tokensOf("dark").keys()].sort()).toEqual([...tokensOf("light").keys()].sort());
});
