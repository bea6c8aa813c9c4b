import type { ComponentProps, ReactNode } from "react";

interface IconButtonProps extends Omit<ComponentProps<"button">, "children"> {
    label: string;
    icon: ReactNode;
    "data-testid"?: string;
}

/* A button that is only a picture: its label is its name, and is shown as a tooltip. */
export function IconButton({ label, icon, className = "icon-button", ...rest }: IconButtonProps) {
    return (
        <button type="button" aria-label={label} data-tip={label} className={className} {...rest}>
            {icon}
        </button>
    );
}
