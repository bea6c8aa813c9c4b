import { expect, it } from "vitest";
import { ownErrors, ownFormOf, ownOf } from "./ownForm";

const NOTHING = { model: null, settings: null };

it("an empty form is nothing of one's own", () => {
    expect(ownOf(NOTHING, ownFormOf(NOTHING))).toEqual(NOTHING);
});

it("what is written comes back, and what is not shown stays", () => {
    const own = { model: "m.gguf", settings: { system_prompt: "", temperature: 0.2, stop_tokens: ["x"] } };
    const form = ownFormOf(own);
    expect(form).toMatchObject({ model: "m.gguf", hasPrompt: true, prompt: "" });
    expect(ownOf(own, form)).toEqual(own);
    form.numbers.temperature = "";
    form.hasPrompt = false;
    expect(ownOf(own, form)).toEqual({ model: "m.gguf", settings: { stop_tokens: ["x"] } });
});

it("a wrong number is named; nothing and -1 are none where they mean something", () => {
    const form = ownFormOf(NOTHING);
    form.numbers = { temperature: "3", top_k: "1.5", seed: "-1", max_tokens: "" };
    expect(Object.keys(ownErrors(form))).toEqual(["temperature", "top_k"]);
});
