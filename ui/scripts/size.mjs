/* The weight of the page, compressed: the first load, which is everything that index.html asks for, and what comes later, by what it is for.
 * Fails over a budget. */
import { readdirSync, readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const KB = 1000;
const dist = new URL("../dist/", import.meta.url);
const html = readFileSync(new URL("index.html", dist), "utf8");
const asked = ["index.html", ...[...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((match) => match[1])];
const isIcon = (name) => /\.(png|svg|webmanifest)$/.test(name);
const isPopup = (name) =>
    /(?:Dialog|Drawer|Popup|ChoiceBar|EditMessage|settings)-|^assets\/use[A-Z]/.test(name);

/* The parts, and how many bytes of gzip each may have. */
const PARTS = [
    ["first load", 185 * KB, (name) => asked.includes(name) && !isIcon(name)],
    ["the server's dialog", 17 * KB, (name) => /ServerDialog-/.test(name)],
    ["what pops up", 64 * KB, isPopup],
    ["diagrams", 900 * KB, (name) => /\/diagrams-/.test(name)],
    ["maths: script and style", 90 * KB, (name) => /\/katex-.*\.(js|css)$/.test(name)],
    ["maths: fonts", 320 * KB, (name) => name.endsWith(".woff2")],
    ["text of PDFs", 480 * KB, (name) => /\/pdf[.\w-]*\.m?js$/i.test(name)],
    ["highlighting: worker", 70 * KB, (name) => /worker/.test(name)],
    ["highlighting: grammars", 400 * KB, (name) => name.endsWith(".js")],
    ["icons", 60 * KB, isIcon],
    ["other", 0, () => true],
];

const files = readdirSync(dist, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.replace(`${dist.pathname}`, "").replace(/^\/+/, ""));
let isOver = false;
const rest = new Set(files);
for (const [title, budget, isMeant] of PARTS) {
    const names = [...rest].filter(isMeant);
    for (const name of names) rest.delete(name);
    const bytes = names.map((name) => readFileSync(new URL(name, dist)));
    const gzip = bytes.reduce((sum, data) => sum + gzipSync(data, { level: 9 }).length, 0);
    const brotli = bytes.reduce((sum, data) => sum + brotliCompressSync(data).length, 0);
    const isTooMuch = gzip > budget;
    isOver ||= isTooMuch;
    const kb = (n) => (n / KB).toFixed(1).padStart(7);
    console.log(
        `${title.padEnd(26)}${String(names.length).padStart(3)} files ${kb(gzip)} kB gzip ${kb(brotli)} kB brotli, at most ${budget / KB} kB${isTooMuch ? `  OVER: ${names.slice(0, 5).join(", ")}` : ""}`,
    );
}
if (isOver) process.exit(1);
