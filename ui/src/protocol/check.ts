/* Checks at the door: what comes from outside is looked at once, here, and is typed afterwards. */

export type Json = Record<string, unknown>;

export class DecodeError extends Error {}

export function asObject(value: unknown, what: string): Json {
    if (typeof value !== "object" || value === null || Array.isArray(value))
        throw new DecodeError(`${what} is no object`);
    return value as Json;
}

export function asArray(value: unknown, what: string): unknown[] {
    if (!Array.isArray(value)) throw new DecodeError(`${what} is no list`);
    return value;
}

export function string(from: Json, name: string): string {
    const value = from[name];
    if (typeof value !== "string") throw new DecodeError(`${name} is no string`);
    return value;
}

/* A count or a measure: finite, never NaN. */
export function number(from: Json, name: string): number {
    const value = from[name];
    if (typeof value !== "number" || !Number.isFinite(value)) throw new DecodeError(`${name} is no number`);
    return value;
}

export function boolean(from: Json, name: string): boolean {
    const value = from[name];
    if (typeof value !== "boolean") throw new DecodeError(`${name} is no boolean`);
    return value;
}

export function oneOf<T extends string>(from: Json, name: string, values: readonly T[]): T {
    const value = from[name];
    if (!values.includes(value as T)) throw new DecodeError(`${name} is none of ${values.join(", ")}`);
    return value as T;
}

/* Optional fields: absent, null or of a wrong type is null. They are for the eye only. */
export function stringOrNull(from: Json, name: string): string | null {
    const value = from[name];
    return typeof value === "string" ? value : null;
}

export function numberOrNull(from: Json, name: string): number | null {
    const value = from[name];
    return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function objectOrNull(from: Json, name: string): Json | null {
    const value = from[name];
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
}
