import { useEffect, useState } from "react";

/* useDrop: files that are dropped anywhere on the page. True while some are held over it. */
export function useDrop(onFiles: (files: File[]) => void): boolean {
    const [isOver, setOver] = useState(false);
    useEffect(() => {
        /* Each element that is entered and left says so: what counts is the first and the last. */
        let depth = 0;
        const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
        const leave = () => {
            depth = 0;
            setOver(false);
        };
        const onEnter = (event: DragEvent) => {
            if (!hasFiles(event)) return;
            depth++;
            setOver(true);
        };
        const onLeave = (event: DragEvent) => {
            if (hasFiles(event) && --depth <= 0) leave();
        };
        const onOver = (event: DragEvent) => {
            if (hasFiles(event)) event.preventDefault();
        };
        const onDrop = (event: DragEvent) => {
            if (!hasFiles(event)) return;
            event.preventDefault();
            leave();
            onFiles([...(event.dataTransfer?.files ?? [])]);
        };
        window.addEventListener("dragenter", onEnter);
        window.addEventListener("dragleave", onLeave);
        window.addEventListener("dragover", onOver);
        window.addEventListener("drop", onDrop);
        return () => {
            window.removeEventListener("dragenter", onEnter);
            window.removeEventListener("dragleave", onLeave);
            window.removeEventListener("dragover", onOver);
            window.removeEventListener("drop", onDrop);
        };
    }, [onFiles]);
    return isOver;
}
