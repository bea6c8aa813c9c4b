/* Short notices at the edge of the page, some with one thing to do. */

export interface Toast {
    id: number;
    text: string;
    isError: boolean;
    action: { label: string; run: () => void } | null;
}

const SHOWN_MS = 3000;
/* What can be undone, or must be read, stays longer. */
const SHOWN_LONG_MS = 7000;
const TOASTS_MAX = 4;

/* The places where notices can stand, the page's own first: what stands over the page hides it from who cannot see. */
let places: readonly symbol[] = [];
let toasts: readonly Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

export const toastStore = {
    get: () => toasts,
    subscribe: (listener: () => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
    },
};

function tell(): void {
    for (const listener of listeners) listener();
}

function set(next: readonly Toast[]): void {
    toasts = next;
    tell();
}

/* The place that was put up last is the one where they stand. */
export const toastPlaces = {
    last: () => places.at(-1),
    put: (place: symbol) => {
        places = [...places, place];
        tell();
        return () => {
            places = places.filter((other) => other !== place);
            tell();
        };
    },
};

interface ToastOptions {
    isError?: boolean;
    action?: { label: string; run: () => void };
    /* Runs when the notice goes away and its action was not taken. */
    onGone?: () => void;
}

/* showToast returns what makes it go away early. */
export function showToast(text: string, options: ToastOptions = {}): () => void {
    const id = nextId++;
    let isOver = false;
    const end = (isTaken: boolean) => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        set(toasts.filter((toast) => toast.id !== id));
        if (isTaken) options.action?.run();
        else options.onGone?.();
    };
    const isLong = options.action !== undefined || options.isError === true;
    const timer = setTimeout(() => end(false), isLong ? SHOWN_LONG_MS : SHOWN_MS);
    const action = options.action ? { label: options.action.label, run: () => end(true) } : null;
    set([...toasts.slice(1 - TOASTS_MAX), { id, text, isError: options.isError ?? false, action }]);
    return () => end(false);
}
