/* One value that components can watch with useSyncExternalStore. No React here. */

export class Store<T> {
    private value: T;
    private listeners = new Set<() => void>();

    constructor(value: T) {
        this.value = value;
    }

    readonly get = (): T => this.value;

    readonly subscribe = (listener: () => void): (() => void) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
    };

    set(value: T): void {
        if (Object.is(value, this.value)) return;
        this.value = value;
        for (const listener of this.listeners) listener();
    }

    update(change: (value: T) => T): void {
        this.set(change(this.value));
    }
}
