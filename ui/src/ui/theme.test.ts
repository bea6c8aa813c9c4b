// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { nextTheme, type ThemeChoice } from "./theme";

it.each([true, false])("three steps go round, and the first one can be seen (system dark: %s)", (isDark) => {
    const seen: ThemeChoice[] = ["system"];
    for (let step = 0; step < 3; step++) seen.push(nextTheme(seen.at(-1) as ThemeChoice, isDark));
    expect(seen).toEqual(
        isDark ? ["system", "light", "dark", "system"] : ["system", "dark", "light", "system"],
    );
});
