/* What pops up is no part of the first load: it comes when the page has nothing else to do, or with the first wish for it. */

import { type ComponentType, type LazyExoticComponent, lazy, Suspense, useRef } from "react";

export interface PopupProps {
    isOpen: boolean;
    onClose: () => void;
}

type Load<P> = () => Promise<{ default: ComponentType<P> }>;

const loads: Load<never>[] = [];

export function lazily<P>(load: Load<P>): LazyExoticComponent<ComponentType<P>> {
    loads.push(load as Load<never>);
    return lazy(load);
}

/* loadLater fetches everything that pops up; what cannot be had now is asked for again when it is wanted. */
export function loadLater(): void {
    const run = () => {
        for (const load of loads)
            load().catch(() => {
                /* The wish for it will say what is wrong. */
            });
    };
    if ("requestIdleCallback" in window) requestIdleCallback(run, { timeout: 3000 });
    else setTimeout(run, 1000);
}

/* Popup mounts a thing with its first opening and leaves it there, so that it can also be seen to close. */
export function Popup<P extends PopupProps>({
    of: Body,
    ...props
}: P & { of: LazyExoticComponent<ComponentType<P>> }) {
    const wasOpened = useRef(false);
    wasOpened.current ||= props.isOpen;
    if (!wasOpened.current) return null;
    return (
        <Suspense fallback={null}>
            <Body {...(props as unknown as P)} />
        </Suspense>
    );
}
