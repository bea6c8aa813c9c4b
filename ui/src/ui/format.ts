const count = new Intl.NumberFormat("en-US");

export const formatCount = (n: number) => count.format(n);

export function formatBytes(bytes: number): string {
    if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
    if (bytes >= 1e6) return `${Math.round(bytes / 1e6)} MB`;
    return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
}

export function formatMs(ms: number): string {
    if (ms < 1000) return `${Math.round(ms)} ms`;
    return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/* Whole seconds, for a time that is looked at while it grows. */
export function formatSeconds(ms: number): string {
    const seconds = Math.floor(ms / 1000);
    return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export const formatRate = (perSecond: number) =>
    perSecond < 100 ? perSecond.toFixed(1) : formatCount(Math.round(perSecond));

export const formatPercent = (part: number) => `${Math.round(part * 100)} %`;

export const plural = (n: number, one: string, many = `${one}s`) =>
    `${formatCount(n)} ${n === 1 ? one : many}`;
