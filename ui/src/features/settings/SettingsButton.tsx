import { Settings } from "lucide-react";
import { useState } from "react";
import { IconButton } from "../../ui/IconButton";
import { lazily, Popup } from "../../ui/lazily";

const SettingsDialog = lazily(() => import("./SettingsDialog"));

export function SettingsButton() {
    const [isOpen, setOpen] = useState(false);
    return (
        <>
            <IconButton
                label="Settings"
                icon={<Settings size={19} />}
                data-testid="settings-open"
                aria-haspopup="dialog"
                aria-expanded={isOpen}
                onClick={() => setOpen(true)}
            />
            <Popup of={SettingsDialog} isOpen={isOpen} onClose={() => setOpen(false)} />
        </>
    );
}
