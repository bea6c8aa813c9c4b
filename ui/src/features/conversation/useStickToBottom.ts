import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

const NEAR_PX = 48;

interface StickToBottom {
    isStuck: boolean;
    jump: () => void;
    letGo: () => void /* the reader is brought elsewhere */;
}

/* Keeps the end in sight while the content grows, and lets go as soon as the reader scrolls up or selects text.
 * It takes hold again when the reader comes back to the end. */
export function useStickToBottom(
    scroller: RefObject<HTMLElement | null>,
    content: RefObject<HTMLElement | null>,
): StickToBottom {
    const [isStuck, setStuck] = useState(true);
    const stuck = useRef(true);
    const lastTop = useRef(0);
    const hold = useCallback((value: boolean) => {
        stuck.current = value;
        setStuck(value);
    }, []);
    const toEnd = useCallback(() => {
        const view = scroller.current;
        if (!view) return;
        view.scrollTop = view.scrollHeight;
        lastTop.current = view.scrollTop;
    }, [scroller]);

    useLayoutEffect(() => {
        const view = scroller.current;
        const inner = content.current;
        if (!view || !inner) return;
        toEnd();
        const observer = new ResizeObserver(() => {
            if (stuck.current) toEnd();
            else if (view.scrollHeight - view.clientHeight - view.scrollTop > NEAR_PX) setStuck(false);
            lastTop.current = view.scrollTop;
        });
        observer.observe(inner);
        observer.observe(view);
        return () => observer.disconnect();
    }, [scroller, content, toEnd]);

    useEffect(() => {
        const view = scroller.current;
        if (!view) return;
        /* The end of what is in the page is not that of the conversation while more is to come below. */
        const distance = () =>
            view.querySelector(".newer-mark")
                ? Infinity
                : view.scrollHeight - view.clientHeight - view.scrollTop;
        const onScroll = () => {
            const top = view.scrollTop;
            const wentUp = top < lastTop.current - 1;
            lastTop.current = top;
            if (wentUp && distance() > 2) hold(false);
            else if (!stuck.current && !wentUp && distance() <= NEAR_PX) hold(true);
        };
        /* The wheel is heard before the scrolling: a token that comes between must not pull back. */
        const onWheel = (event: WheelEvent) => {
            if (event.deltaY < 0 && view.scrollHeight > view.clientHeight) hold(false);
        };
        let touchedAt = 0;
        const onTouch = (event: TouchEvent) => {
            const y = event.touches[0]?.clientY ?? 0;
            if (event.type === "touchmove" && y > touchedAt && distance() > 0) hold(false);
            touchedAt = y;
        };
        /* What is selected must stay under the pointer; at the end it holds again as soon as nothing is selected. */
        const onSelect = () => {
            const selection = document.getSelection();
            const isInside =
                selection !== null && !selection.isCollapsed && view.contains(selection.anchorNode);
            if (isInside && distance() > NEAR_PX) hold(false);
            else if (isInside) stuck.current = false;
            else if (!stuck.current && distance() <= NEAR_PX) hold(true);
        };
        view.addEventListener("scroll", onScroll, { passive: true });
        view.addEventListener("wheel", onWheel, { passive: true });
        view.addEventListener("touchstart", onTouch, { passive: true });
        view.addEventListener("touchmove", onTouch, { passive: true });
        document.addEventListener("selectionchange", onSelect);
        return () => {
            view.removeEventListener("scroll", onScroll);
            view.removeEventListener("wheel", onWheel);
            view.removeEventListener("touchstart", onTouch);
            view.removeEventListener("touchmove", onTouch);
            document.removeEventListener("selectionchange", onSelect);
        };
    }, [scroller, hold]);

    const jump = useCallback(() => {
        document.getSelection()?.removeAllRanges();
        hold(true);
        toEnd();
    }, [hold, toEnd]);
    const letGo = useCallback(() => hold(false), [hold]);
    return { isStuck, jump, letGo };
}
