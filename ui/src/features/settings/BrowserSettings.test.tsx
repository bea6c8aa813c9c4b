// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import { setTheme, themeStore } from "../../ui/theme";
import { BrowserSettings } from "./BrowserSettings";

afterEach(() => {
    cleanup();
    setTheme("system");
});

it("the theme is chosen here too, and is the same as in the header", () => {
    setTheme("light");
    render(<BrowserSettings />);
    const choices = screen.getByLabelText<HTMLSelectElement>("Theme");
    expect(choices.value).toBe("light");
    fireEvent.change(choices, { target: { value: "dark" } });
    expect(themeStore.get()).toBe("dark");
    expect(document.documentElement.dataset.theme).toBe("dark");
});
