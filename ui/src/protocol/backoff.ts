/* The wait before reconnecting: 0.25 s, doubled up to 5 s, with jitter so that the clients of a server that
 * comes back do not all knock at once (P5). */

export const BACKOFF_FIRST_MS = 250;
export const BACKOFF_MAX_MS = 5000;

/* backoffMs is the wait before the attempt-th try (from 1): between half of the step and the whole of it, and
 * never under the first step. */
export function backoffMs(attempt: number, random: () => number): number {
    const step = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt - 1, 10));
    return Math.max(BACKOFF_FIRST_MS, Math.round(step * (0.5 + random() * 0.5)));
}
