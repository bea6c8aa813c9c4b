// @vitest-environment happy-dom
import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import { Toasts } from "./Toasts";
import { showToast } from "./toasts";

afterEach(cleanup);

it("a notice stands over what was opened last, and on the page again when that is closed", () => {
    const view = (isOpen: boolean) => (
        <>
            <div data-testid="page">
                <Toasts />
            </div>
            {isOpen && (
                <div data-testid="dialog">
                    <Toasts />
                </div>
            )}
        </>
    );
    const { rerender } = render(view(false));
    act(() => void showToast("Deleted", { action: { label: "Undo", run: () => {} } }));
    expect(screen.getByTestId("page").textContent).toBe("DeletedUndo");
    rerender(view(true));
    expect(screen.getByTestId("page").textContent).toBe("");
    expect(screen.getByTestId("dialog").textContent).toBe("DeletedUndo");
    rerender(view(false));
    expect(screen.getByTestId("page").textContent).toBe("DeletedUndo");
});
