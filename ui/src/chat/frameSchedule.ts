/* When a growing answer tells its watchers: once per animation frame, whatever the number of tokens. */

export type Schedule = (run: () => void) => void;

/* A hidden page has no animation frames; what depends on the text (the tab's title, tests) still goes on. */
const HIDDEN_MS = 250;

export const onNextFrame: Schedule = (run) => {
    if (document.visibilityState === "hidden") setTimeout(run, HIDDEN_MS);
    else requestAnimationFrame(run);
};
