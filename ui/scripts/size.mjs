/* The weight of the first load: everything that index.html asks for, compressed. Fails above the budget. */
import { readdirSync, readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const BUDGET_BYTES = 200_000;
const dist = new URL("../dist/", import.meta.url);
const html = readFileSync(new URL("index.html", dist), "utf8");
const asked = [...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((match) => match[1]);
const chunks = readdirSync(new URL("assets/", dist)).map((name) => `assets/${name}`);
let gzip = gzipSync(html).length;
let brotli = brotliCompressSync(html).length;
for (const name of asked) {
    const bytes = readFileSync(new URL(name, dist));
    const packed = gzipSync(bytes, { level: 9 }).length;
    gzip += packed;
    brotli += brotliCompressSync(bytes).length;
    console.log(`${String(packed).padStart(8)}  ${name}`);
}
console.log(`first load: ${(gzip / 1000).toFixed(1)} kB gzip, ${(brotli / 1000).toFixed(1)} kB brotli`);
console.log(`later: ${chunks.filter((name) => !asked.includes(name)).join(", ") || "nothing"}`);
if (gzip > BUDGET_BYTES) {
    console.error(`over the budget of ${BUDGET_BYTES / 1000} kB`);
    process.exit(1);
}
