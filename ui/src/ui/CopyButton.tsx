import { Check, Copy, type LucideIcon, X } from "lucide-react";
import { useEffect, useState } from "react";

interface CopyButtonProps {
    text: () => string;
    label: string;
    showLabel?: boolean;
    icon?: LucideIcon;
}

const SHOWN_MS = 1500;

export function CopyButton({ text, label, showLabel = false, icon = Copy }: CopyButtonProps) {
    const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
    useEffect(() => {
        if (state === "idle") return;
        const timer = setTimeout(() => setState("idle"), SHOWN_MS);
        return () => clearTimeout(timer);
    }, [state]);
    const copy = async () => setState((await copyText(text())) ? "copied" : "failed");
    const Icon = state === "copied" ? Check : state === "failed" ? X : icon;
    const word = state === "copied" ? "Copied" : state === "failed" ? "Copying is not allowed" : label;
    return (
        <button
            type="button"
            className="copy-button"
            data-state={state}
            data-tip={word}
            aria-label={word}
            onClick={copy}
        >
            <Icon size={14} aria-hidden="true" />
            {showLabel && <span aria-hidden="true">{state === "copied" ? "Copied" : "Copy"}</span>}
        </button>
    );
}

/* The clipboard API is there only on secure origins; a server reached by its address is none. */
async function copyText(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const area = document.createElement("textarea");
        area.value = text;
        area.style.position = "fixed";
        area.style.opacity = "0";
        document.body.append(area);
        area.select();
        const isCopied = document.execCommand("copy");
        area.remove();
        return isCopied;
    }
}
