import { createContext, useContext, useSyncExternalStore } from "react";
import type { ChatClient } from "../chat/client";

/* What never changes for as long as the page lives. Nothing that grows passes through here. */
export interface Services {
    client: ChatClient;
    navigate: (path: string, options?: { replace?: boolean }) => void;
}

export const ServicesContext = createContext<Services | null>(null);

export function useServices(): Services {
    const services = useContext(ServicesContext);
    if (!services) throw new Error("no services around this component");
    return services;
}

export const useClient = () => useServices().client;

interface Readable<T> {
    get: () => T;
    subscribe: (listener: () => void) => () => void;
}

export function useStore<T>(store: Readable<T>): T {
    return useSyncExternalStore(store.subscribe, store.get);
}
