import { type RefObject, useLayoutEffect } from "react";

/* useFilter leaves those settings in sight whose words have what is searched for. It looks at what is shown, so that a new setting needs
 * nothing for it. Returns nothing; a section without a setting in sight goes, too. */
export function useFilter(body: RefObject<HTMLElement | null>, search: string): void {
    useLayoutEffect(() => {
        const words = search.toLowerCase().split(/\s+/).filter(Boolean);
        for (const field of body.current?.querySelectorAll<HTMLElement>(".field") ?? []) {
            const text = (field.textContent ?? "").toLowerCase();
            field.hidden = !words.every((word) => text.includes(word));
        }
        for (const section of body.current?.querySelectorAll<HTMLElement>(".settings-section") ?? [])
            section.hidden = section.querySelector(".field:not([hidden])") === null;
    });
}
