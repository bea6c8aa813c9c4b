import { useEffect, useLayoutEffect, useRef, useState } from "react";

type Draw = (tex: string, element: HTMLElement, display: boolean) => void;

/* KaTeX and its fonts come with the first formula. Until then, and where they cannot be had, the source is shown. */
let draw: Draw | null = null;
let loading: Promise<void> | null = null;

function load(): Promise<void> {
    loading ??= import("./katex").then((module) => {
        draw = module.draw;
    });
    return loading;
}

interface MathsProps {
    tex: string;
    display: boolean;
}

export function Maths({ tex, display }: MathsProps) {
    const [isLoaded, setLoaded] = useState(draw !== null);
    const place = useRef<HTMLSpanElement>(null);
    useEffect(() => {
        if (isLoaded) return;
        let isWanted = true;
        load().then(
            () => isWanted && setLoaded(true),
            () => {
                /* The source stays; the next formula tries again. */
                loading = null;
            },
        );
        return () => {
            isWanted = false;
        };
    }, [isLoaded]);
    useLayoutEffect(() => {
        if (isLoaded && place.current) draw?.(tex, place.current, display);
    }, [isLoaded, tex, display]);
    return isLoaded ? (
        <span ref={place} className="maths" data-display={display} dir="ltr" />
    ) : (
        <span className="maths maths-source" data-display={display} dir="ltr">
            {tex}
        </span>
    );
}
