import type { ReactNode } from "react";

interface DialogFootProps {
    failure: string | null;
    isReady: boolean /* it may be saved */;
    saveTestId: string;
    onCancel: () => void;
    children: ReactNode /* at the other end, apart from Cancel and Save */;
}

/* The foot of a form in a dialog. What could not be saved is said above it. */
export function DialogFoot({ failure, isReady, saveTestId, onCancel, children }: DialogFootProps) {
    return (
        <div className="dialog-foot">
            {failure && (
                <p className="field-error" role="alert">
                    {failure}
                </p>
            )}
            {children}
            <span className="foot-space" />
            <button type="button" className="button" onClick={onCancel}>
                Cancel
            </button>
            <button
                type="submit"
                className="button button-primary"
                data-testid={saveTestId}
                disabled={!isReady}
            >
                Save
            </button>
        </div>
    );
}
