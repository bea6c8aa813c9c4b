import { Tooltip } from "@base-ui/react/tooltip";
import type { ComponentProps, ReactNode } from "react";

interface IconButtonProps extends Omit<ComponentProps<"button">, "children"> {
    label: string;
    icon: ReactNode;
    "data-testid"?: string;
}

/* A button that is only a picture: its label is its name, and is shown as a tooltip. */
export function IconButton({ label, icon, className = "", ...rest }: IconButtonProps) {
    return (
        <Tooltip.Root>
            <Tooltip.Trigger
                render={
                    <button type="button" aria-label={label} className={`icon-button ${className}`} {...rest}>
                        {icon}
                    </button>
                }
            />
            <Tooltip.Portal>
                <Tooltip.Positioner sideOffset={6} className="tooltip-positioner">
                    <Tooltip.Popup className="tooltip">{label}</Tooltip.Popup>
                </Tooltip.Positioner>
            </Tooltip.Portal>
        </Tooltip.Root>
    );
}
