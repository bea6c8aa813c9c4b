/* Style sheets share one space of names: what two of them dress, the one that is loaded later dresses anew. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = new URL("..", import.meta.url).pathname;

test("no class has its looks in two style sheets", () => {
    const sheets = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
        name.endsWith(".css"),
    );
    const places = new Map<string, Set<string>>();
    for (const sheet of sheets)
        for (const [, name] of readFileSync(join(root, sheet), "utf8").matchAll(/^\.([\w-]+) \{/gm))
            places.set(name as string, (places.get(name as string) ?? new Set()).add(sheet));
    expect(places.size).toBeGreaterThan(50);
    expect([...places].filter(([, where]) => where.size > 1).map(([name]) => name)).toEqual([]);
});
