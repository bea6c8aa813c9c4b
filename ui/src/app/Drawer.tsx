import { Dialog } from "@base-ui/react/dialog";
import { Sidebar } from "../features/sidebar/Sidebar";
import { useStore } from "../features/useClient";
import type { PopupProps } from "../ui/lazily";
import { Toasts } from "../ui/Toasts";
import { route } from "./router";

/* The conversations on a phone: over the page, from its edge. */
export default function Drawer({ isOpen, onClose, onSearch }: PopupProps & { onSearch: () => void }) {
    const { conversation } = useStore(route);
    return (
        <Dialog.Root open={isOpen} onOpenChange={(next) => !next && onClose()}>
            <Dialog.Portal>
                <Dialog.Backdrop className="backdrop" />
                <Dialog.Popup className="drawer" aria-label="Conversations" initialFocus={false}>
                    <Sidebar
                        openId={conversation}
                        onClose={onClose}
                        onChosen={onClose}
                        onSearch={() => {
                            onClose();
                            onSearch();
                        }}
                    />
                    <Toasts />
                </Dialog.Popup>
            </Dialog.Portal>
        </Dialog.Root>
    );
}
