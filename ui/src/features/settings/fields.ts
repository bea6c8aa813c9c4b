/* The settings of the dialog: the closed list of docs/protocol.md part 5, how each is written and checked. The
 * server checks again; here the reader is told while typing. */

import type { Json } from "../../protocol/check";

export type SamplerType = (typeof SAMPLERS)[number]["value"];

export const SAMPLERS = [
    { value: "ChainFull", label: "Full chain (recommended)" },
    { value: "TopP", label: "Top p" },
    { value: "TopK", label: "Top k" },
    { value: "Temperature", label: "Temperature only" },
    { value: "Mirostat", label: "Mirostat" },
    { value: "Greedy", label: "Greedy: always the likeliest token" },
] as const;

export interface ChoiceField {
    name: string;
    label: string;
    help: string;
    choices: readonly { value: string; label: string }[] /* the first is the default */;
}

/* What happens to an answer when something goes wrong or somebody is faster than it. */
export const CHOICE_FIELDS: readonly ChoiceField[] = [
    {
        name: "after_crash",
        label: "When an answer is interrupted",
        help: "The server or the model stopped before the answer was whole.",
        choices: [
            { value: "continue", label: "Go on where it was, by itself" },
            { value: "ask", label: "Wait until I press Continue" },
        ],
    },
    {
        name: "when_busy",
        label: "A message while an answer is being written",
        help: "In the same conversation.",
        choices: [
            { value: "refuse", label: "Cannot be sent until the answer has ended" },
            { value: "queue", label: "Waits, and is answered next" },
        ],
    },
    {
        name: "overflow",
        label: "A conversation longer than the context",
        help: "What the model reads; the conversation itself stays whole.",
        choices: [
            { value: "stop", label: "Is not answered" },
            { value: "drop_oldest", label: "Is answered without its oldest turns" },
        ],
    },
    {
        name: "draft_prefill",
        label: "While I type",
        help: "Nothing is stored and nobody sees it.",
        choices: [
            { value: "on", label: "The model reads along, and answers sooner" },
            { value: "off", label: "The model waits for Send" },
        ],
    },
    {
        name: "auto_title",
        label: "The title of a new conversation",
        help: "Made after its first answer, when nothing else is asked. A title of your own is never replaced.",
        choices: [
            { value: "on", label: "The model makes one" },
            { value: "off", label: "Stays its first line" },
        ],
    },
];

export interface NumberField {
    name: string;
    label: string;
    help: string;
    min: number;
    max: number;
    step: number;
    isInteger: boolean;
    /* A value outside the range with a meaning of its own, written as an empty box. */
    special?: { value: number; meaning: string };
    /* The samplers that look at it; absent: all. */
    samplers?: readonly SamplerType[];
    initial: number;
}

export const NUMBER_FIELDS: readonly NumberField[] = [
    {
        name: "temperature",
        label: "Temperature",
        help: "Higher is more varied, 0 is always the same.",
        min: 0,
        max: 2,
        step: 0.05,
        isInteger: false,
        samplers: ["ChainFull", "TopP", "TopK", "Temperature", "Mirostat"],
        initial: 0.7,
    },
    {
        name: "top_p",
        label: "Top p",
        help: "Only the likeliest tokens that together reach this probability.",
        min: 0,
        max: 1,
        step: 0.01,
        isInteger: false,
        samplers: ["ChainFull", "TopP"],
        initial: 0.95,
    },
    {
        name: "top_k",
        label: "Top k",
        help: "Only the k likeliest tokens. 0 turns it off.",
        min: 0,
        max: 1000,
        step: 1,
        isInteger: true,
        samplers: ["ChainFull", "TopK"],
        initial: 20,
    },
    {
        name: "min_p",
        label: "Min p",
        help: "Drops tokens less likely than this part of the likeliest.",
        min: 0,
        max: 1,
        step: 0.01,
        isInteger: false,
        samplers: ["ChainFull"],
        initial: 0,
    },
    {
        name: "mirostat_tau",
        label: "Mirostat tau",
        help: "The surprise to aim at.",
        min: 0,
        max: 20,
        step: 0.1,
        isInteger: false,
        samplers: ["Mirostat"],
        initial: 5,
    },
    {
        name: "mirostat_eta",
        label: "Mirostat eta",
        help: "How fast it corrects.",
        min: 0,
        max: 1,
        step: 0.01,
        isInteger: false,
        samplers: ["Mirostat"],
        initial: 0.1,
    },
    {
        name: "repeat_penalty",
        label: "Repeat penalty",
        help: "Above 1, words said before become less likely.",
        min: 0.5,
        max: 2,
        step: 0.01,
        isInteger: false,
        initial: 1,
    },
    {
        name: "max_tokens",
        label: "Longest answer",
        help: "In tokens.",
        min: 1,
        max: 1_000_000,
        step: 1,
        isInteger: true,
        special: { value: -1, meaning: "Until the context is full" },
        initial: -1,
    },
    {
        name: "seed",
        label: "Seed",
        help: "The same seed gives the same answer again.",
        min: 0,
        max: 4_294_967_295,
        step: 1,
        isInteger: true,
        special: { value: -1, meaning: "Random" },
        initial: -1,
    },
    {
        name: "detach_seconds",
        label: "When nobody watches",
        help: "Seconds until an answer that no page shows is stopped. 0 stops it at once.",
        min: 0,
        max: 86_400,
        step: 1,
        isInteger: true,
        special: { value: -1, meaning: "It goes on" },
        initial: -1,
    },
    {
        name: "context_size",
        label: "Context size",
        help: "In tokens. Taken when the model is loaded the next time.",
        min: 256,
        max: 1_048_576,
        step: 256,
        isInteger: true,
        special: { value: 0, meaning: "What the memory allows, at most 8192" },
        initial: 0,
    },
    {
        name: "kv_disk_mb",
        label: "Memory of conversations on the disk",
        help: "In MB. 0 keeps none. Taken when the model is loaded the next time.",
        min: 0,
        max: 100_000_000,
        step: 1000,
        isInteger: true,
        special: { value: -1, meaning: "A tenth of what is free, at most 8 GB" },
        initial: -1,
    },
];

export const SYSTEM_PROMPT_MAX_BYTES = 64 * 1024;
const STOPS_MAX = 16;
const STOP_MAX_BYTES = 64;

export const TEXT_LABELS = { system_prompt: "System prompt", stop_tokens: "Stop strings" };

/* The form holds what is typed, as text. */
export interface SettingsForm {
    sampler: string;
    systemPrompt: string;
    stops: string;
    numbers: Record<string, string>;
    choices: Record<string, string>;
}

export function formOf(config: Json): SettingsForm {
    const numbers: Record<string, string> = {};
    for (const field of NUMBER_FIELDS) {
        const value = typeof config[field.name] === "number" ? (config[field.name] as number) : field.initial;
        numbers[field.name] = field.special?.value === value ? "" : String(Number(value.toFixed(6)));
    }
    const choices: Record<string, string> = {};
    for (const { name, choices: all } of CHOICE_FIELDS) {
        const known = all.find(({ value }) => value === config[name]) ?? all[0];
        if (known) choices[name] = known.value;
    }
    const stops = Array.isArray(config.stop_tokens)
        ? config.stop_tokens.filter((stop) => typeof stop === "string")
        : [];
    return {
        sampler: typeof config.sampler_type === "string" ? config.sampler_type : "ChainFull",
        systemPrompt: typeof config.system_prompt === "string" ? config.system_prompt : "",
        stops: stops.map(escapeStop).join("\n"),
        numbers,
        choices,
    };
}

export const DEFAULT_FORM: SettingsForm = formOf({});

/* numberError is what is wrong with the text of a field, null if nothing is. */
export function numberError(field: NumberField, text: string): string | null {
    if (text.trim() === "" && field.special) return null;
    const value = text.trim() === "" ? Number.NaN : Number(text);
    const range = `from ${field.min} to ${field.max}`;
    if (Number.isNaN(value)) return `A number ${range}.`;
    if (field.isInteger && !Number.isInteger(value)) return `A whole number ${range}.`;
    if (value < field.min || value > field.max) return `Must be ${range}.`;
    return null;
}

const bytes = (text: string) => new TextEncoder().encode(text).length;

export function stopsError(text: string): string | null {
    const stops = parseStops(text);
    if (stops.length > STOPS_MAX) return `At most ${STOPS_MAX} lines.`;
    const long = stops.find((stop) => bytes(stop) > STOP_MAX_BYTES);
    return long === undefined ? null : `“${long.slice(0, 20)}…” is longer than ${STOP_MAX_BYTES} bytes.`;
}

export function systemPromptError(text: string): string | null {
    return bytes(text) > SYSTEM_PROMPT_MAX_BYTES ? "At most 64 KiB." : null;
}

/* errorsOf is empty when the form may be saved. Keys are the wire's names. */
export function errorsOf(form: SettingsForm): Record<string, string> {
    const errors: Record<string, string> = {};
    for (const field of NUMBER_FIELDS) {
        const error = numberError(field, form.numbers[field.name] ?? "");
        if (error) errors[field.name] = error;
    }
    const stops = stopsError(form.stops);
    if (stops) errors.stop_tokens = stops;
    const prompt = systemPromptError(form.systemPrompt);
    if (prompt) errors.system_prompt = prompt;
    return errors;
}

/* faultOf says in one line what of it is wrong, for where the field may be out of sight; null: nothing is. */
export function faultOf(errors: Record<string, string>): string | null {
    const [name, error] = Object.entries(errors)[0] ?? [];
    if (name === undefined) return null;
    const label =
        TEXT_LABELS[name as keyof typeof TEXT_LABELS] ??
        NUMBER_FIELDS.find((field) => field.name === name)?.label ??
        name;
    return `${label}: ${error}`;
}

/* changesOf is what to send: a partial configuration, only of what differs [W20]. */
export function changesOf(before: SettingsForm, after: SettingsForm): Json {
    const changes: Json = {};
    if (after.sampler !== before.sampler) changes.sampler_type = after.sampler;
    if (after.systemPrompt !== before.systemPrompt)
        changes.system_prompt = after.systemPrompt.trim() === "" ? null : after.systemPrompt;
    if (after.stops !== before.stops) changes.stop_tokens = parseStops(after.stops);
    for (const field of NUMBER_FIELDS) {
        const text = after.numbers[field.name] ?? "";
        if (text === before.numbers[field.name]) continue;
        changes[field.name] = text.trim() === "" && field.special ? field.special.value : Number(text);
    }
    for (const { name } of CHOICE_FIELDS)
        if (after.choices[name] !== before.choices[name]) changes[name] = after.choices[name];
    return changes;
}

/* One stop string a line; a line break inside of one is written \n, a tab \t, a backslash \\. */
export function parseStops(text: string): string[] {
    return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) =>
            line.replace(/\\([nt\\])/g, (_, sign) => (sign === "n" ? "\n" : sign === "t" ? "\t" : "\\")),
        );
}

function escapeStop(stop: string): string {
    return stop.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/\t/g, "\\t");
}
