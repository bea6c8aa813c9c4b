// @vitest-environment happy-dom
import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Thoughts } from "./Aside";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
    cleanup();
    vi.useRealTimers();
});

const words = () => screen.getByTestId("thoughts").querySelector("summary")?.textContent;

it("a timer runs while the model thinks, and says at the end how long it was", () => {
    const since = performance.now();
    const { rerender } = render(<Thoughts text="Hm" isThinking since={since} tookMs={null} />);
    expect(words()).toBe("Thinking…");
    act(() => void vi.advanceTimersByTime(75_000));
    expect(words()).toBe("Thinking… 1 min 15 s");
    rerender(<Thoughts text="Hm" isThinking={false} since={since} tookMs={75_900} />);
    expect(words()).toBe("Thought for 1 min 15 s");
});

it("what was not seen has no time", () => {
    const { rerender } = render(<Thoughts text="Hm" isThinking since={null} tookMs={null} />);
    act(() => void vi.advanceTimersByTime(5000));
    expect(words()).toBe("Thinking…");
    rerender(<Thoughts text="Hm" isThinking={false} since={null} tookMs={null} />);
    expect(words()).toBe("Thoughts");
});
