import { useSyncExternalStore } from "react";
import { toastStore } from "./toasts";

export function Toasts() {
    const toasts = useSyncExternalStore(toastStore.subscribe, toastStore.get);
    return (
        <div className="toasts" role="status">
            {toasts.map((toast) => (
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
