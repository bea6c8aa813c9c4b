import { type FocusEvent, useState } from "react";

interface RenameBoxProps {
    label: string;
    text: string;
    lengthMax: number;
    onDone: (text: string | null) => void /* null: as it was */;
}

const MENU_MS = 500;

/* A name that is written anew, in its place: Enter and the loss of the focus take it, Esc leaves it. */
export function RenameBox({ label, text: before, lengthMax, onDone }: RenameBoxProps) {
    const [text, setText] = useState(before);
    const [begun] = useState(() => performance.now());
    const finish = () => {
        const next = text.trim();
        onDone(next === "" || next === before ? null : next);
    };
    const onBlur = (event: FocusEvent<HTMLInputElement>) => {
        const input = event.currentTarget;
        /* The menu that it came from gives the focus back to where it was. */
        if (performance.now() - begun < MENU_MS) setTimeout(() => focusAll(input), 50);
        else finish();
    };
    return (
        <input
            className="field-control rename-box"
            aria-label={label}
            data-testid="rename"
            dir="auto"
            maxLength={lengthMax}
            value={text}
            ref={focusAll}
            onChange={(event) => setText(event.target.value)}
            onBlur={onBlur}
            onKeyDown={(event) => {
                if (event.key === "Enter") finish();
                if (event.key !== "Escape") return;
                event.stopPropagation();
                onDone(null);
            }}
        />
    );
}

const focusAll = (input: HTMLInputElement | null) => {
    input?.focus();
    input?.select();
};
