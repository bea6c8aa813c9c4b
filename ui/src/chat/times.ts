/* Times of the wire: ISO 8601, or the form of the conversation ids `2026-11-22-21-05-10-123` (UTC). */

export function parseTime(text: string): Date | null {
    const parts = /^(\d{4})-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d{3})/.exec(text);
    const iso = parts
        ? `${parts[1]}-${parts[2]}-${parts[3]}T${parts[4]}:${parts[5]}:${parts[6]}.${parts[7]}Z`
        : text;
    const time = new Date(iso);
    return Number.isNaN(time.getTime()) ? null : time;
}
