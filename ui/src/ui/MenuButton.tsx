import { Ellipsis } from "lucide-react";
import { type ReactNode, Suspense, useRef, useState } from "react";
import { IconButton } from "./IconButton";
import { lazily } from "./lazily";

const MenuPopup = lazily(() => import("./MenuPopup"));

export interface MenuAction {
    label: string;
    icon: ReactNode;
    run: () => void;
    isDanger?: boolean;
}

interface MenuButtonProps {
    label: string;
    className?: string;
    actions: () => readonly MenuAction[] /* asked for when it opens */;
    "data-testid"?: string;
}

/* A button that opens a list of things to do. */
export function MenuButton({ label, actions, ...rest }: MenuButtonProps) {
    const [isOpen, setOpen] = useState(false);
    const [wasOpened, setOpened] = useState(false);
    const anchor = useRef<HTMLButtonElement>(null);
    return (
        <>
            <IconButton
                ref={anchor}
                label={label}
                icon={<Ellipsis size={16} aria-hidden="true" />}
                aria-haspopup="menu"
                aria-expanded={isOpen}
                onClick={() => {
                    setOpened(true);
                    setOpen(!isOpen);
                }}
                {...rest}
            />
            {wasOpened && (
                <Suspense fallback={null}>
                    <MenuPopup
                        isOpen={isOpen}
                        onClose={() => setOpen(false)}
                        anchor={anchor}
                        label={label}
                        actions={isOpen ? actions() : []}
                    />
                </Suspense>
            )}
        </>
    );
}
