import { Monitor, Moon, Sun } from "lucide-react";
import { useStore } from "../features/useClient";
import { IconButton } from "../ui/IconButton";
import { isSystemDark, nextTheme, setTheme, themeStore } from "../ui/theme";

const ICONS = { system: Monitor, light: Sun, dark: Moon };
const NAMES = { system: "as the system", light: "light", dark: "dark" };

export function ThemeToggle() {
    const choice = useStore(themeStore);
    const Icon = ICONS[choice];
    return (
        <IconButton
            label={`Theme: ${NAMES[choice]}`}
            icon={<Icon size={19} />}
            data-testid="theme-toggle"
            data-choice={choice}
            onClick={() => setTheme(nextTheme(choice, isSystemDark()))}
        />
    );
}
