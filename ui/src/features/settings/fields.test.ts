import { describe, expect, it } from "vitest";
import {
    changesOf,
    DEFAULT_FORM,
    errorsOf,
    faultOf,
    formOf,
    NUMBER_FIELDS,
    numberError,
    parseStops,
} from "./fields";

const field = (name: string) => {
    const found = NUMBER_FIELDS.find((candidate) => candidate.name === name);
    if (!found) throw new Error(name);
    return found;
};

describe("settings", () => {
    it.each([
        ["temperature", "0", null],
        ["temperature", "2", null],
        ["temperature", "2.01", "Must be from 0 to 2."],
        ["temperature", "-0.1", "Must be from 0 to 2."],
        ["temperature", "warm", "A number from 0 to 2."],
        ["temperature", "", "A number from 0 to 2."],
        ["top_k", "1.5", "A whole number from 0 to 1000."],
        ["top_k", "1001", "Must be from 0 to 1000."],
        ["seed", "", null],
        ["seed", "4294967295", null],
        ["seed", "4294967296", "Must be from 0 to 4294967295."],
        ["max_tokens", "0", "Must be from 1 to 1000000."],
        ["context_size", "255", "Must be from 256 to 1048576."],
    ])("%s of “%s” is judged", (name, text, error) => {
        expect(numberError(field(name), text)).toBe(error);
    });

    it("every default lies in its range", () => {
        expect(errorsOf(DEFAULT_FORM)).toEqual({});
    });

    it("what is wrong is said with the name of its field", () => {
        const numbers = { ...DEFAULT_FORM.numbers, temperature: "warm" };
        expect(faultOf(errorsOf({ ...DEFAULT_FORM, numbers }))).toBe("Temperature: A number from 0 to 2.");
        expect(faultOf(errorsOf({ ...DEFAULT_FORM, stops: Array(17).fill("x").join("\n") }))).toBe(
            "Stop strings: At most 16 lines.",
        );
        expect(faultOf({})).toBeNull();
    });

    it("only what differs is sent [W20]", () => {
        const before = formOf({ temperature: 0.7, seed: 7 });
        const after = { ...before, numbers: { ...before.numbers, temperature: "0.2", seed: "" } };
        expect(changesOf(before, after)).toEqual({ temperature: 0.2, seed: -1 });
        expect(changesOf(before, before)).toEqual({});
    });

    it("an empty system prompt is none", () => {
        const before = formOf({ system_prompt: "Be brief" });
        expect(changesOf(before, { ...before, systemPrompt: " " })).toEqual({ system_prompt: null });
    });

    it("stop strings survive the way to the form and back", () => {
        const stops = ["\n\n", "END", "a\\n", "\ttab"];
        expect(parseStops(formOf({ stop_tokens: stops }).stops)).toEqual(stops);
    });

    it("refuses too many and too long stop strings", () => {
        expect(errorsOf({ ...DEFAULT_FORM, stops: Array(17).fill("x").join("\n") }).stop_tokens).toBe(
            "At most 16 lines.",
        );
        expect(errorsOf({ ...DEFAULT_FORM, stops: "é".repeat(33) }).stop_tokens).toContain(
            "longer than 64 bytes",
        );
        expect(errorsOf({ ...DEFAULT_FORM, stops: "é".repeat(32) }).stop_tokens).toBeUndefined();
    });

    it("refuses a system prompt over 64 KiB", () => {
        expect(errorsOf({ ...DEFAULT_FORM, systemPrompt: "x".repeat(65537) }).system_prompt).toBeDefined();
    });

    it("what happens after a crash and while busy is sent by the wire's names", () => {
        const before = formOf({ after_crash: "ask", when_busy: "later", detach_seconds: -1 });
        expect(before.choices).toEqual({
            after_crash: "ask",
            when_busy: "refuse",
            overflow: "stop",
            draft_prefill: "on",
            auto_title: "on",
        });
        const after = {
            ...before,
            numbers: { ...before.numbers, detach_seconds: "0" },
            choices: {
                after_crash: "continue",
                when_busy: "queue",
                overflow: "drop_oldest",
                draft_prefill: "on",
                auto_title: "on",
            },
        };
        expect(changesOf(before, after)).toEqual({
            after_crash: "continue",
            when_busy: "queue",
            overflow: "drop_oldest",
            detach_seconds: 0,
        });
        expect(changesOf(after, before)).toMatchObject({ detach_seconds: -1 });
    });
});
