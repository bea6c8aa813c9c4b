import { Menu } from "@base-ui/react/menu";
import type { RefObject } from "react";
import type { MenuAction } from "./MenuButton";

interface MenuPopupProps {
    isOpen: boolean;
    onClose: () => void;
    anchor: RefObject<HTMLElement | null>;
    label: string;
    actions: readonly MenuAction[];
}

export default function MenuPopup({ isOpen, onClose, anchor, label, actions }: MenuPopupProps) {
    return (
        <Menu.Root open={isOpen} onOpenChange={(next) => !next && onClose()}>
            {/* Where its button is: a menu has a place among the landmarks of the page. */}
            <Menu.Portal container={anchor.current?.closest<HTMLElement>("nav, main")}>
                <Menu.Positioner
                    anchor={anchor}
                    positionMethod="fixed"
                    sideOffset={4}
                    align="end"
                    className="popover-positioner"
                >
                    <Menu.Popup className="popover menu" aria-label={label} finalFocus={anchor}>
                        {actions.map(({ label, icon, run, isDanger }) => (
                            <Menu.Item
                                key={label}
                                className="menu-item"
                                data-danger={isDanger || undefined}
                                onClick={run}
                            >
                                {icon}
                                {label}
                            </Menu.Item>
                        ))}
                    </Menu.Popup>
                </Menu.Positioner>
            </Menu.Portal>
        </Menu.Root>
    );
}
