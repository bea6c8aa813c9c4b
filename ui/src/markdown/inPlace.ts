/* Changes of what is shown already, which must disturb nobody who reads. */
import { flushSync } from "react-dom";

/* whenNotSelected waits where the elements of a text are exchanged: what the reader has selected would be lost. It returns what calls it off. */
export function whenNotSelected(element: Element | null, run: () => void): () => void {
    const isSelected = () => {
        const selection = document.getSelection();
        return (
            element !== null &&
            selection !== null &&
            !selection.isCollapsed &&
            selection.containsNode(element, true)
        );
    };
    if (!isSelected()) {
        run();
        return () => {};
    }
    const look = () => {
        if (isSelected()) return;
        stop();
        run();
    };
    const stop = () => document.removeEventListener("selectionchange", look);
    document.addEventListener("selectionchange", look);
    return stop;
}

/* keepPlace makes a change that may be higher or lower than what was there: what is above the edge does not move what is read. */
export function keepPlace(element: Element | null, change: () => void): void {
    const view = element?.closest(".scroller");
    const before = element?.getBoundingClientRect();
    flushSync(change);
    if (!view || !before || before.bottom > view.getBoundingClientRect().top) return;
    view.scrollTop += (element?.getBoundingClientRect().height ?? 0) - before.height;
}
