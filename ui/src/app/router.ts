/* The addresses of the page: `/` is a new conversation, `/c/ID` is one that exists, `/c/ID#MESSAGE` a place in it. `?trace=1` and the like
 * stay. */

import { Store } from "../chat/store";

export type Route = { conversation: string | null; message: string | null };

export function parseRoute(pathname: string, hash = ""): Route {
    const id = /^\/c\/([^/]+)\/?$/.exec(pathname)?.[1];
    if (id === undefined) return { conversation: null, message: null };
    const message = /^#([0-9a-f]{32})$/.exec(hash)?.[1] ?? null;
    try {
        return { conversation: decodeURIComponent(id), message };
    } catch {
        return { conversation: id, message };
    }
}

export const route = new Store<Route>({ conversation: null, message: null });

const isSame = (a: Route, b: Route) => a.conversation === b.conversation && a.message === b.message;

export function startRouter(): void {
    const read = () => {
        const next = parseRoute(location.pathname, location.hash);
        if (!isSame(next, route.get())) route.set(next);
    };
    window.addEventListener("popstate", read);
    read();
}

/* navigate takes a path, perhaps with the place of a message behind it. */
export function navigate(path: string, options: { replace?: boolean } = {}): void {
    const [pathname = "/", hash = ""] = path.split("#");
    const place = hash && `#${hash}`;
    const next = parseRoute(pathname, place);
    const address = pathname + location.search + place;
    if (options.replace) history.replaceState(null, "", address);
    else if (pathname !== location.pathname || place !== location.hash) history.pushState(null, "", address);
    /* Who asks for a place again wants to be brought there again. */
    if (!isSame(next, route.get()) || next.message !== null) route.set(next);
}
