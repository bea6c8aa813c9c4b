import react from "@vitejs/plugin-react";
import type { Plugin, ProxyOptions } from "vite";
import { defineConfig } from "vitest/config";

const target = `http://127.0.0.1:${process.env.RUNNEL_PORT ?? "8000"}`;

interface Incoming {
    headers: { origin?: string | undefined; host?: string | undefined };
}

/* The server accepts its own Host and Origin alone [W3] [W4]. The proxy puts them in place of the dev page's
 * own. An Origin of anybody else passes unchanged, so that the server refuses it: a foreign page must not get
 * through the dev server what it would not get from the server. */
function setOrigin(request: { setHeader(name: string, value: string): unknown }, incoming: Incoming): void {
    const { origin, host } = incoming.headers;
    if (origin !== undefined && origin === `http://${host}`) request.setHeader("origin", target);
}

const toServer: ProxyOptions = {
    target,
    changeOrigin: true,
    ws: true,
    configure(proxy) {
        proxy.on("proxyReq", setOrigin);
        proxy.on("proxyReqWs", setOrigin);
    },
};

/* Every browser that this page is built for takes the smallest form of KaTeX's fonts. */
const katexFonts: Plugin = {
    name: "katex-fonts",
    enforce: "pre",
    transform(code, id) {
        if (!id.endsWith("katex.min.css")) return null;
        return code.replace(/,url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)/g, "");
    },
};

/* What only diagrams need has a name that says so: it is judged by itself. */
function nameOf({ moduleIds }: { moduleIds: string[] }): string {
    const isDiagrams = moduleIds.some((id) =>
        /node_modules\/(?:mermaid|@mermaid-js|cytoscape|roughjs|d3[\w-]*|dagre[\w-]*|chevrotain|langium)\//.test(
            id,
        ),
    );
    return `assets/${isDiagrams ? "diagrams-" : ""}[name]-[hash].js`;
}

export default defineConfig({
    plugins: [react(), katexFonts],
    worker: { format: "es" },
    server: {
        port: 4000,
        strictPort: true,
        proxy: { "/api": toServer, "/v1": toServer, "/health": toServer, "/ws": toServer },
    },
    build: {
        target: "es2022",
        /* The server's policy has no inline scripts and no eval: nothing is inlined that it would block. */
        assetsInlineLimit: 0,
        /* The weight is judged compressed, by scripts/size.mjs. */
        chunkSizeWarningLimit: 700,
        modulePreload: { polyfill: false },
        rolldownOptions: { output: { chunkFileNames: nameOf } },
    },
    test: { environment: "node", include: ["src/**/*.test.{ts,tsx}"] },
});
