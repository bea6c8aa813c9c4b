import { useId, useState } from "react";
import { preferences, setPreference } from "../../chat/preferences";
import { keyWords } from "../../ui/keys";
import { setTheme, type ThemeChoice, themeStore } from "../../ui/theme";
import { useStore } from "../useClient";
import { SelectInput } from "./FormFields";

/* What holds for this browser alone, and at once. */
export function BrowserSettings() {
    const { enterSends, notifies } = useStore(preferences);
    const theme = useStore(themeStore);
    const [refusal, setRefusal] = useState("");
    const canNotify = "Notification" in window && window.isSecureContext;
    const notify = async (wanted: boolean) => {
        setRefusal("");
        if (wanted && (await Notification.requestPermission()) !== "granted") {
            setRefusal("The browser does not allow it: its settings for this page say so.");
            return;
        }
        setPreference({ notifies: wanted });
    };
    return (
        <section className="settings-section" aria-label="This browser">
            <h3>This browser</h3>
            <div className="field field-toggle">
                <SelectInput
                    label="Theme"
                    choices={THEMES}
                    value={theme}
                    testId="setting-theme"
                    onChange={(choice) => setTheme(choice as ThemeChoice)}
                />
            </div>
            <Toggle
                name="enter_sends"
                label="Enter sends"
                help={`Otherwise ${keyWords("Mod+Enter")} sends, and Enter begins a new line.`}
                isOn={enterSends}
                onChange={(wanted) => setPreference({ enterSends: wanted })}
            />
            {canNotify && (
                <Toggle
                    name="notifies"
                    label="Tell me when an answer is done"
                    help={refusal || "While this page is out of sight."}
                    isOn={notifies}
                    onChange={(wanted) => void notify(wanted)}
                />
            )}
        </section>
    );
}

const THEMES: readonly { value: ThemeChoice; label: string }[] = [
    { value: "system", label: "As the system" },
    { value: "light", label: "Light" },
    { value: "dark", label: "Dark" },
];

interface ToggleProps {
    name: string;
    label: string;
    help: string;
    isOn: boolean;
    onChange: (isOn: boolean) => void;
}

function Toggle({ name, label, help, isOn, onChange }: ToggleProps) {
    const id = useId();
    return (
        <div className="field field-toggle">
            <div className="field-words">
                <label htmlFor={id}>{label}</label>
                <p className="field-help" id={`${id}-help`} role="status">
                    {help}
                </p>
            </div>
            <input
                id={id}
                type="checkbox"
                role="switch"
                className="switch"
                checked={isOn}
                aria-checked={isOn}
                aria-describedby={`${id}-help`}
                data-testid={`setting-${name}`}
                onChange={(event) => onChange(event.target.checked)}
            />
        </div>
    );
}
