/* Draws the icons of the installed page, public/icon-*.png: the mark of favicon.svg on its ground, to the edge, so that every platform may cut
 * it to its own shape. `npm run icons` after a change of the mark; the files are kept in the tree. */
import { writeFileSync } from "node:fs";
import { crc32, deflateSync } from "node:zlib";

const GROUND = [11, 111, 128];
const INK = [255, 255, 255];
/* The waves of favicon.svg in its 32 units: cubic curves from point to point, and the width of the stroke. */
const WAVES = [11, 17, 23].map((y) => [
    [
        [6, y],
        [10, y - 4],
        [13, y + 3],
        [17, y],
    ],
    [
        [17, y],
        [21, y - 3],
        [23, y - 3],
        [26, y],
    ],
]);
const STROKE = 2.6;
const UNITS = 32;
/* A platform that cuts a circle keeps the inner four fifths. */
const SCALE = 0.72;
const SAMPLES = 4;
const STEPS = 24;

const curve = ([a, b, c, d], t) => {
    const u = 1 - t;
    return [0, 1].map((k) => u ** 3 * a[k] + 3 * u * u * t * b[k] + 3 * u * t * t * c[k] + t ** 3 * d[k]);
};
const points = WAVES.flat().flatMap((wave) =>
    Array.from({ length: STEPS + 1 }, (_, i) => curve(wave, i / STEPS)),
);

function isInk(x, y) {
    const [u, v] = [x, y].map((at) => (at - UNITS / 2) / SCALE + UNITS / 2);
    return points.some(([px, py]) => (px - u) ** 2 + (py - v) ** 2 <= (STROKE / 2) ** 2);
}

function chunk(name, data) {
    const body = Buffer.concat([Buffer.from(name), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
}

function png(size) {
    const rows = [];
    for (let y = 0; y < size; y++) {
        const row = Buffer.alloc(1 + size * 3);
        for (let x = 0; x < size; x++) {
            let hits = 0;
            for (let s = 0; s < SAMPLES * SAMPLES; s++) {
                const at = (k, n) => ((k + (n + 0.5) / SAMPLES) / size) * UNITS;
                hits += isInk(at(x, s % SAMPLES), at(y, Math.floor(s / SAMPLES))) ? 1 : 0;
            }
            const part = hits / (SAMPLES * SAMPLES);
            for (let k = 0; k < 3; k++)
                row[1 + x * 3 + k] = Math.round(GROUND[k] + (INK[k] - GROUND[k]) * part);
        }
        rows.push(row);
    }
    const head = Buffer.alloc(13);
    head.writeUInt32BE(size, 0);
    head.writeUInt32BE(size, 4);
    head.set([8, 2, 0, 0, 0], 8);
    const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
    return Buffer.concat([
        signature,
        chunk("IHDR", head),
        chunk("IDAT", deflateSync(Buffer.concat(rows), { level: 9 })),
        chunk("IEND", Buffer.alloc(0)),
    ]);
}

for (const size of [180, 192, 512])
    writeFileSync(new URL(`../public/icon-${size}.png`, import.meta.url), png(size));
