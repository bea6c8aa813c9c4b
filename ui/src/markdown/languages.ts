/* The languages whose code is coloured, by the names of Shiki's grammars. */

export const LANGUAGES = [
    "c",
    "cpp",
    "csharp",
    "css",
    "diff",
    "docker",
    "go",
    "html",
    "ini",
    "java",
    "javascript",
    "json",
    "kotlin",
    "lua",
    "make",
    "markdown",
    "php",
    "powershell",
    "python",
    "r",
    "ruby",
    "rust",
    "shellscript",
    "sql",
    "swift",
    "toml",
    "tsx",
    "xml",
    "yaml",
] as const;
export type Language = (typeof LANGUAGES)[number];

const ALIASES: Record<string, Language> = {
    bash: "shellscript",
    "c++": "cpp",
    "c#": "csharp",
    cc: "cpp",
    console: "shellscript",
    cs: "csharp",
    dockerfile: "docker",
    golang: "go",
    h: "c",
    hpp: "cpp",
    htm: "html",
    js: "javascript",
    jsonc: "json",
    jsx: "tsx",
    kt: "kotlin",
    makefile: "make",
    md: "markdown",
    patch: "diff",
    ps1: "powershell",
    py: "python",
    python3: "python",
    rb: "ruby",
    rs: "rust",
    sh: "shellscript",
    shell: "shellscript",
    svg: "xml",
    ts: "tsx",
    typescript: "tsx",
    yml: "yaml",
    zsh: "shellscript",
};

/* languageOf is the grammar of a fence's word; null: none. */
export function languageOf(word: string): Language | null {
    const name = word.toLowerCase();
    const language = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name;
    return LANGUAGES.find((known) => known === language) ?? null;
}
