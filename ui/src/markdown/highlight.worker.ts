/* Colours code away from the page's thread: a grammar's first use and a long block take longer than a frame. */
import { createHighlighterCore, type HighlighterCore, type LanguageInput } from "shiki/core";
import { createJavaScriptRegexEngine } from "shiki/engine/javascript";
import type { Job, Kind, Result, Run } from "./highlight";
import type { Language } from "./languages";

/* The theme's colours are numbers of kinds: the page's own tokens say how each looks. */
const KINDS: readonly (readonly [Kind, readonly string[]])[] = [
    ["comment", ["comment", "punctuation.definition.comment"]],
    [
        "keyword",
        ["keyword", "storage", "variable.language", "markup.heading", "punctuation.definition.heading"],
    ],
    ["string", ["string", "markup.inserted", "markup.inline.raw", "constant.character.escape"]],
    ["number", ["constant", "support.constant", "markup.changed"]],
    ["function", ["entity.name.function", "support.function", "meta.function-call.generic"]],
    [
        "type",
        [
            "entity.name.type",
            "entity.name.class",
            "entity.other.inherited-class",
            "support.type",
            "support.class",
            "entity.other.attribute-name",
            "meta.decorator",
            "entity.name.namespace",
        ],
    ],
    ["tag", ["entity.name.tag", "markup.deleted", "invalid"]],
    ["", ["keyword.operator", "storage.type.function.arrow", "punctuation"]],
];
const colorOf = (place: number) => `#00000${place}`;
const theme = {
    name: "kinds",
    type: "light" as const,
    fg: "#000009",
    bg: "#ffffff",
    settings: KINDS.map(([, scope], place) => ({
        scope: [...scope],
        settings: { foreground: colorOf(place) },
    })),
};
const kindOf = new Map(KINDS.map(([kind], place) => [colorOf(place), kind]));

/* Each grammar is a file of its own, loaded with the first block that needs it. */
const GRAMMARS: Record<Language, LanguageInput> = {
    c: () => import("shiki/dist/langs/c.mjs"),
    cpp: () => import("shiki/dist/langs/cpp.mjs"),
    csharp: () => import("shiki/dist/langs/csharp.mjs"),
    css: () => import("shiki/dist/langs/css.mjs"),
    diff: () => import("shiki/dist/langs/diff.mjs"),
    docker: () => import("shiki/dist/langs/docker.mjs"),
    go: () => import("shiki/dist/langs/go.mjs"),
    html: () => import("shiki/dist/langs/html.mjs"),
    ini: () => import("shiki/dist/langs/ini.mjs"),
    java: () => import("shiki/dist/langs/java.mjs"),
    javascript: () => import("shiki/dist/langs/javascript.mjs"),
    json: () => import("shiki/dist/langs/json.mjs"),
    kotlin: () => import("shiki/dist/langs/kotlin.mjs"),
    lua: () => import("shiki/dist/langs/lua.mjs"),
    make: () => import("shiki/dist/langs/make.mjs"),
    markdown: () => import("shiki/dist/langs/markdown.mjs"),
    php: () => import("shiki/dist/langs/php.mjs"),
    powershell: () => import("shiki/dist/langs/powershell.mjs"),
    python: () => import("shiki/dist/langs/python.mjs"),
    r: () => import("shiki/dist/langs/r.mjs"),
    ruby: () => import("shiki/dist/langs/ruby.mjs"),
    rust: () => import("shiki/dist/langs/rust.mjs"),
    shellscript: () => import("shiki/dist/langs/shellscript.mjs"),
    sql: () => import("shiki/dist/langs/sql.mjs"),
    swift: () => import("shiki/dist/langs/swift.mjs"),
    toml: () => import("shiki/dist/langs/toml.mjs"),
    tsx: () => import("shiki/dist/langs/tsx.mjs"),
    xml: () => import("shiki/dist/langs/xml.mjs"),
    yaml: () => import("shiki/dist/langs/yaml.mjs"),
};

let highlighter: Promise<HighlighterCore> | null = null;

async function runsOf({ code, language }: Job): Promise<Run[][]> {
    highlighter ??= createHighlighterCore({
        themes: [theme],
        langs: [],
        engine: createJavaScriptRegexEngine({ forgiving: true }),
    });
    const core = await highlighter;
    if (!core.getLoadedLanguages().includes(language)) await core.loadLanguage(GRAMMARS[language]);
    const lines = core.codeToTokensBase(code, {
        lang: language,
        theme: "kinds",
        tokenizeMaxLineLength: 2000,
    });
    return lines.map((tokens) => {
        const runs: Run[] = [];
        for (const { content, color } of tokens) {
            const kind = kindOf.get((color ?? "").toLowerCase()) ?? "";
            const last = runs.at(-1);
            /* White space has no colour: it joins whatever stands before it. */
            if (last && (last[1] === kind || content.trim() === "")) last[0] += content;
            else runs.push([content, kind]);
        }
        return runs;
    });
}

self.onmessage = async ({ data }: MessageEvent<Job>) => {
    let lines: Run[][] | null = null;
    try {
        lines = await runsOf(data);
    } catch {
        /* Without colours it is still code. */
    }
    self.postMessage({ id: data.id, lines } satisfies Result);
};
