/* What a conversation has of its own, as it is written in the dialog: an empty field means what the server's settings say. */

import type { Json } from "../../protocol/check";
import type { Own } from "../../protocol/frames";
import { NUMBER_FIELDS, type NumberField, numberError, systemPromptError } from "../settings/fields";

const NAMES = ["temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens", "seed"];

export const OWN_FIELDS: readonly NumberField[] = NUMBER_FIELDS.filter(({ name }) => NAMES.includes(name));

export interface OwnForm {
    model: string /* "": the configured one */;
    hasPrompt: boolean /* one of its own, which may be empty */;
    prompt: string;
    numbers: Record<string, string>;
}

export function ownFormOf(own: Own): OwnForm {
    const settings = own.settings ?? {};
    const numbers: Record<string, string> = {};
    for (const { name } of OWN_FIELDS)
        numbers[name] = typeof settings[name] === "number" ? String(settings[name]) : "";
    return {
        model: own.model ?? "",
        hasPrompt: typeof settings.system_prompt === "string",
        prompt: typeof settings.system_prompt === "string" ? settings.system_prompt : "",
        numbers,
    };
}

/* ownOf keeps what the dialog does not show. */
export function ownOf(before: Own, form: OwnForm): Own {
    const settings: Json = { ...before.settings };
    for (const { name } of OWN_FIELDS) {
        const text = form.numbers[name]?.trim() ?? "";
        if (text === "") delete settings[name];
        else settings[name] = Number(text);
    }
    if (form.hasPrompt) settings.system_prompt = form.prompt;
    else delete settings.system_prompt;
    return {
        model: form.model === "" ? null : form.model,
        settings: Object.keys(settings).length > 0 ? settings : null,
    };
}

/* ownErrors is empty when it may be saved. */
export function ownErrors(form: OwnForm): Record<string, string> {
    const errors: Record<string, string> = {};
    for (const field of OWN_FIELDS) {
        const text = form.numbers[field.name] ?? "";
        const error = text.trim() === "" ? null : isSpecial(field, text) ? null : numberError(field, text);
        if (error) errors[field.name] = error;
    }
    const prompt = systemPromptError(form.prompt);
    if (prompt) errors.system_prompt = prompt;
    return errors;
}

const isSpecial = (field: NumberField, text: string) => field.special?.value === Number(text);
