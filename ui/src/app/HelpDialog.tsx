import { Dialog } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import { IconButton } from "../ui/IconButton";
import { keyNames } from "../ui/keys";
import type { PopupProps } from "../ui/lazily";
import { SHORTCUTS } from "./shortcuts";

export default function HelpDialog({ isOpen, onClose }: PopupProps) {
    return (
        <Dialog.Root open={isOpen} onOpenChange={(next) => !next && onClose()}>
            <Dialog.Portal>
                <Dialog.Backdrop className="backdrop" />
                <Dialog.Popup className="dialog help" data-testid="help">
                    <div className="dialog-head">
                        <Dialog.Title>Keyboard</Dialog.Title>
                        <Dialog.Close render={<IconButton label="Close" icon={<X size={18} />} />} />
                    </div>
                    <div className="help-body">
                        {SHORTCUTS.map((group) => (
                            <section key={group.title}>
                                <h3>{group.title}</h3>
                                <dl>
                                    {group.keys.map((shortcut) => (
                                        <div key={shortcut.keys}>
                                            <dt>{shortcut.does}</dt>
                                            <dd>
                                                {keyNames(shortcut.keys).map((key) => (
                                                    <kbd key={key}>{key}</kbd>
                                                ))}
                                            </dd>
                                        </div>
                                    ))}
                                </dl>
                            </section>
                        ))}
                    </div>
                </Dialog.Popup>
            </Dialog.Portal>
        </Dialog.Root>
    );
}
