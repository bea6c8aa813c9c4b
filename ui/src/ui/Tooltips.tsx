import { useEffect, useLayoutEffect, useRef, useState } from "react";

const DELAY_MS = 500;
const GAP_PX = 6;

interface Tip {
    text: string;
    of: Element;
}

/* One tooltip for the whole page: whatever has `data-tip` shows it under the pointer or the keyboard's focus. A button costs no
 * component for it. The words are the button's aria-label, too: nobody needs to see them. */
export function Tooltips() {
    const [tip, setTip] = useState<Tip | null>(null);
    const box = useRef<HTMLDivElement>(null);
    useEffect(() => {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const hide = () => {
            clearTimeout(timer);
            setTip(null);
        };
        const show = (event: Event, delay: number) => {
            const of = event.target instanceof Element ? event.target.closest("[data-tip]") : null;
            hide();
            if (!of) return;
            timer = setTimeout(() => setTip({ text: of.getAttribute("data-tip") ?? "", of }), delay);
        };
        /* Where it was pressed last: what comes to lie under a pointer that rests is not what it points at. */
        let pressed: readonly [number, number] | null = null;
        const onOver = (event: PointerEvent) => {
            const isAtRest = pressed?.[0] === event.clientX && pressed[1] === event.clientY;
            if (event.pointerType === "mouse" && !isAtRest) show(event, DELAY_MS);
        };
        const onDown = (event: PointerEvent) => {
            pressed = [event.clientX, event.clientY];
            hide();
        };
        const onFocus = (event: FocusEvent) => {
            if (event.target instanceof Element && event.target.matches(":focus-visible"))
                show(event, DELAY_MS);
        };
        const onKey = (event: KeyboardEvent) => {
            if (event.key === "Escape") hide();
        };
        document.addEventListener("pointerover", onOver);
        document.addEventListener("focusin", onFocus);
        document.addEventListener("focusout", hide);
        document.addEventListener("pointerdown", onDown);
        document.addEventListener("keydown", onKey);
        document.addEventListener("scroll", hide, { capture: true, passive: true });
        return () => {
            clearTimeout(timer);
            document.removeEventListener("pointerover", onOver);
            document.removeEventListener("focusin", onFocus);
            document.removeEventListener("focusout", hide);
            document.removeEventListener("pointerdown", onDown);
            document.removeEventListener("keydown", onKey);
            document.removeEventListener("scroll", hide, { capture: true });
        };
    }, []);
    useLayoutEffect(() => {
        if (tip && box.current) place(box.current, tip.of);
    }, [tip]);
    if (!tip?.text || !tip.of.isConnected) return null;
    return (
        <div ref={box} className="tooltip" aria-hidden="true">
            {tip.text}
        </div>
    );
}

/* Below its button, above it where there is no room, and always within the window. */
function place(box: HTMLElement, of: Element): void {
    const anchor = of.getBoundingClientRect();
    const { width, height } = box.getBoundingClientRect();
    const below = anchor.bottom + GAP_PX;
    const top = below + height > innerHeight ? anchor.top - GAP_PX - height : below;
    const left = Math.min(
        Math.max(GAP_PX, anchor.left + (anchor.width - width) / 2),
        innerWidth - width - GAP_PX,
    );
    box.style.top = `${top}px`;
    box.style.left = `${left}px`;
}
