import { useEffect, useState, useSyncExternalStore } from "react";
import { toastPlaces, toastStore } from "./toasts";

/* A place for notices: the page has one, and so has each dialog, for as long as it is open. */
export function Toasts() {
    const [place] = useState(() => Symbol("a place for notices"));
    const toasts = useSyncExternalStore(toastStore.subscribe, toastStore.get);
    const last = useSyncExternalStore(toastStore.subscribe, toastPlaces.last);
    useEffect(() => toastPlaces.put(place), [place]);
    return (
        <div className="toasts" role="status">
            {place === last &&
                toasts.map((toast) => (
                    <div key={toast.id} className={toast.isError ? "toast toast-error" : "toast"}>
                        <span>{toast.text}</span>
                        {toast.action && (
                            <button type="button" className="text-button" onClick={toast.action.run}>
                                {toast.action.label}
                            </button>
                        )}
                    </div>
                ))}
        </div>
    );
}
