/* The part of the page that draws diagrams, loaded with the first one. The source is a stranger's: no scripts, no links, nothing from elsewhere,
 * no setting of its own. What labels have of HTML is sanitized. */
import mermaid, { type MermaidConfig } from "mermaid";

export interface Drawn {
    svg: string;
    label: string;
}

const SOURCE_MAX = 20_000;
const EDGES_MAX = 280;
/* Wider than the column a diagram becomes smaller, down to this part of itself; then it scrolls. */
const SMALLEST = 0.7;

/* What parts of one whole are told apart by: tokens on which text can be read. */
const GROUNDS = ["accent-soft", "warning-soft", "danger-soft", "selected", "mark", "code-inline"];

let count = 0;
let last: Promise<unknown> = Promise.resolve();

/* drawDiagram draws one after the other: the library has one configuration, and one place to measure in. */
export function drawDiagram(source: string): Promise<Drawn> {
    const drawn = last.then(() => draw(source));
    last = drawn.catch(() => {});
    return drawn;
}

async function draw(source: string): Promise<Drawn> {
    if (/@\{[^}]*\b(?:img|icon)\s*:/.test(source)) throw new Error("it has pictures from elsewhere");
    mermaid.initialize(configOf(getComputedStyle(document.documentElement)));
    const { svg, diagramType } = await mermaid.render(`diagram-${++count}`, withoutActors(source));
    const frame = document.createElement("template");
    frame.innerHTML = svg;
    const drawing = frame.content.querySelector("svg");
    if (!drawing) throw new Error("it is empty");
    const label = `Diagram: ${diagramType.replace(/-?v2$|Diagram$/i, "")}`;
    finish(drawing, label);
    return { svg: drawing.outerHTML, label };
}

/* The library sanitizes what it draws, but measures labels before that: what would load or run then is taken out of them first. */
function withoutActors(source: string): string {
    return source.replace(ACTORS, " ").replace(HANDLERS, "$1>");
}

const ACTORS =
    /<\/?(?:a|audio|base|embed|form|iframe|image|img|input|link|math|meta|object|picture|script|source|style|svg|video)\b[^>]*>/gi;
const HANDLERS = /(<[a-z][^<>]*?)\son\w+\s*=[^>]*>/gi;

/* A picture with a name, in its own size, which leads nowhere. */
function finish(drawing: SVGSVGElement, label: string): void {
    for (const link of drawing.querySelectorAll("a")) {
        const group = document.createElementNS("http://www.w3.org/2000/svg", "g");
        group.setAttribute("transform", link.getAttribute("transform") ?? "");
        group.append(...link.childNodes);
        link.replaceWith(group);
    }
    for (const other of drawing.querySelectorAll("image, img, script, iframe")) other.remove();
    for (const user of drawing.querySelectorAll("[href], [*|href]")) {
        const address = user.getAttribute("href") ?? user.getAttribute("xlink:href") ?? "";
        if (!address.startsWith("#")) user.remove();
    }
    for (const node of drawing.querySelectorAll(".node")) keepReadable(node);
    drawing.insertAdjacentHTML("beforeend", "<style>.edgeLabel rect { opacity: 1 !important }</style>");
    drawing.setAttribute("role", "img");
    if (!drawing.hasAttribute("aria-labelledby")) drawing.setAttribute("aria-label", label);
    const { width } = drawing.viewBox.baseVal;
    drawing.removeAttribute("width");
    drawing.removeAttribute("height");
    const size = `clamp(${Math.round(width * SMALLEST)}px, 100%, ${Math.ceil(width)}px)`;
    drawing.setAttribute("style", `display: block; width: ${size}; height: auto; margin: 0 auto`);
}

/* What has a colour of its own has words that can be read on it, in both themes. */
function keepReadable(node: Element): void {
    const shape = node.querySelector<SVGElement>("rect, circle, ellipse, polygon, path");
    const fill = shape && luminanceOf(shape.style.fill);
    if (fill === null) return;
    const color = fill > MIDDLE ? "#15201f" : "#ffffff";
    for (const { style } of node.querySelectorAll<SVGElement | HTMLElement>("text, tspan, span, p")) {
        if (style.fill || style.color) continue;
        style.fill = color;
        style.color = color;
    }
}

/* Where black and white differ from a ground alike (WCAG 2.2). */
const MIDDLE = 0.179;

/* luminanceOf is relative luminance, null for what is no plain colour. */
function luminanceOf(color: string): number | null {
    const brush = color ? document.createElement("canvas").getContext("2d") : null;
    if (!brush) return null;
    brush.fillStyle = color;
    const [, ...parts] = /^#(..)(..)(..)$/.exec(brush.fillStyle) ?? [];
    if (parts.length < 3) return null;
    const [r = 0, g = 0, b = 0] = parts.map((part) => {
        const value = Number.parseInt(part, 16) / 255;
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function configOf(style: CSSStyleDeclaration): MermaidConfig {
    const token = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const fontFamily = getComputedStyle(document.body).fontFamily;
    return {
        startOnLoad: false,
        securityLevel: "strict",
        suppressErrorRendering: true,
        maxTextSize: SOURCE_MAX,
        maxEdges: EDGES_MAX,
        htmlLabels: true,
        fontFamily,
        theme: "base",
        themeVariables: {
            darkMode: style.colorScheme === "dark",
            fontFamily,
            fontSize: "14px",
            background: token("code"),
            textColor: token("text"),
            lineColor: token("muted"),
            primaryColor: token("accent-soft"),
            primaryTextColor: token("text"),
            primaryBorderColor: token("accent"),
            secondaryColor: token("selected"),
            secondaryTextColor: token("text"),
            secondaryBorderColor: token("line-strong"),
            tertiaryColor: token("bubble"),
            tertiaryTextColor: token("text"),
            tertiaryBorderColor: token("line-strong"),
            noteBkgColor: token("warning-soft"),
            noteTextColor: token("text"),
            noteBorderColor: token("warning"),
            edgeLabelBackground: token("code"),
            pieStrokeColor: token("muted"),
            pieStrokeWidth: "1px",
            pieOuterStrokeWidth: "1px",
            pieOpacity: "1",
            ...Object.fromEntries(
                GROUNDS.flatMap((ground, place) => [
                    [`pie${place + 1}`, token(ground)],
                    [`cScale${place}`, token(ground)],
                    [`cScaleLabel${place}`, token("text")],
                ]),
            ),
        },
        /* What neither a directive nor a front matter may change. */
        secure: [
            "secure",
            "securityLevel",
            "startOnLoad",
            "maxTextSize",
            "suppressErrorRendering",
            "maxEdges",
            "htmlLabels",
            "theme",
            "themeCSS",
            "themeVariables",
            "fontFamily",
            "altFontFamily",
            "fontSize",
        ],
    };
}
