/* The addresses of the page: `/` is a new conversation, `/c/ID` is one that exists. `?trace=1` and the like stay. */

import { Store } from "../chat/store";

export type Route = { conversation: string | null };

export function parseRoute(pathname: string): Route {
    const id = /^\/c\/([^/]+)\/?$/.exec(pathname)?.[1];
    if (id === undefined) return { conversation: null };
    try {
        return { conversation: decodeURIComponent(id) };
    } catch {
        return { conversation: id };
    }
}

export const route = new Store<Route>({ conversation: null });

export function startRouter(): void {
    const read = () => {
        const next = parseRoute(location.pathname);
        if (next.conversation !== route.get().conversation) route.set(next);
    };
    window.addEventListener("popstate", read);
    read();
}

export function navigate(path: string, options: { replace?: boolean } = {}): void {
    const next = parseRoute(path);
    const address = path + location.search;
    if (options.replace) history.replaceState(null, "", address);
    else if (path !== location.pathname) history.pushState(null, "", address);
    if (next.conversation !== route.get().conversation) route.set(next);
}
