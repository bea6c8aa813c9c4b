import { Dialog } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "./IconButton";
import type { PopupProps } from "./lazily";
import { Toasts } from "./Toasts";

interface DialogFrameProps extends PopupProps {
    title: string;
    className: string;
    testId: string;
    children: ReactNode;
}

/* The frame of every dialog: behind it the page is dimmed, at its head its title and the way out. */
export function DialogFrame({ isOpen, onClose, title, className, testId, children }: DialogFrameProps) {
    return (
        <Dialog.Root open={isOpen} onOpenChange={(next) => !next && onClose()}>
            <Dialog.Portal>
                <Dialog.Backdrop className="backdrop" />
                <Dialog.Popup className={`dialog ${className}`} data-testid={testId}>
                    <div className="dialog-head">
                        <Dialog.Title>{title}</Dialog.Title>
                        <Dialog.Close render={<IconButton label="Close" icon={<X size={18} />} />} />
                    </div>
                    {children}
                    <Toasts />
                </Dialog.Popup>
            </Dialog.Portal>
        </Dialog.Root>
    );
}
