// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Tooltips } from "./Tooltips";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
    cleanup();
    vi.useRealTimers();
});

function setUp() {
    render(
        <>
            <button type="button" data-tip="What it does">
                <span>x</span>
            </button>
            <Tooltips />
        </>,
    );
    const over = (more: object) =>
        act(() => {
            fireEvent.pointerOver(screen.getByText("x"), { pointerType: "mouse", ...more });
            vi.advanceTimersByTime(600);
        });
    return { over, tip: () => screen.queryByText("What it does") };
}

it("shows the words of what the pointer rests on, and goes when it is pressed", () => {
    const { over, tip } = setUp();
    over({ clientX: 5, clientY: 5 });
    expect(tip()).toBeTruthy();
    fireEvent.pointerDown(screen.getByText("x"), { clientX: 5, clientY: 5 });
    expect(tip()).toBeNull();
});

it("is not shown for what comes to lie under a pointer that was pressed and rests", () => {
    const { over, tip } = setUp();
    fireEvent.pointerDown(document.body, { clientX: 5, clientY: 5 });
    over({ clientX: 5, clientY: 5 });
    expect(tip()).toBeNull();
    over({ clientX: 6, clientY: 5 });
    expect(tip()).toBeTruthy();
});

it("is not shown to a finger", () => {
    const { over, tip } = setUp();
    over({ pointerType: "touch", clientX: 5, clientY: 5 });
    expect(tip()).toBeNull();
});
