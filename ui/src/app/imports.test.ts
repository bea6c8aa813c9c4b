import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { expect, it } from "vitest";

/* What each folder may import from: ui, protocol <- chat, markdown <- features <- app. The splitter of blocks
 * is pure text, so the turn's store may use it. */
const ALLOWED: Record<string, readonly string[]> = {
    ui: ["ui"],
    protocol: ["protocol"],
    markdown: ["markdown", "ui"],
    chat: ["chat", "protocol", "markdown"],
    features: ["features", "chat", "markdown", "protocol", "ui"],
    app: ["app", "features", "chat", "markdown", "protocol", "ui"],
    ".": ["app", "features", "chat", "markdown", "protocol", "ui"],
};
const NO_REACT = ["protocol", "chat"];
const root = resolve(import.meta.dirname, "..");

function sourceFiles(folder: string): string[] {
    return readdirSync(folder).flatMap((name) => {
        const path = join(folder, name);
        if (statSync(path).isDirectory()) return sourceFiles(path);
        return /\.tsx?$/.test(name) ? [path] : [];
    });
}

const importsOf = (path: string) =>
    [...readFileSync(path, "utf8").matchAll(/(?:from|import)\s+"([^"]+)"/g)].map(
        (match) => match[1] as string,
    );
const folderOf = (path: string) => {
    const parts = relative(root, path).split(sep);
    return parts.length > 1 ? (parts[0] as string) : ".";
};

it("imports flow one way: ui, protocol <- chat, markdown <- features <- app", () => {
    const files = sourceFiles(root);
    const wrong = files.flatMap((path) =>
        importsOf(path)
            .filter((name) => name.startsWith("."))
            .map((name) => folderOf(resolve(dirname(path), name)))
            .filter((folder) => !ALLOWED[folderOf(path)]?.includes(folder))
            .map((folder) => `${relative(root, path)} imports from ${folder}`),
    );
    expect(files.length).toBeGreaterThan(40);
    expect(wrong).toEqual([]);
});

it("protocol and chat know no React", () => {
    const wrong = sourceFiles(root)
        .filter((path) => NO_REACT.includes(folderOf(path)))
        .filter((path) => importsOf(path).some((name) => /^react/.test(name)));
    expect(wrong).toEqual([]);
});
