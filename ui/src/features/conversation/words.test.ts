import { describe, expect, it } from "vitest";
import { describeEnd, describePhase, figuresOf, ordinal, otherWords } from "./describe";
import { lastSentenceEnd, plainText } from "./useSentences";

describe("the live region", () => {
    it("speaks whole sentences only", () => {
        const text = "One. Two is lon";
        expect(text.slice(0, lastSentenceEnd(text, 0))).toBe("One. ");
        expect(lastSentenceEnd("no end yet", 0)).toBe(0);
    });

    it("does not take a number for the end of a sentence", () => {
        expect(lastSentenceEnd("about 3.14 of", 0)).toBe(0);
    });

    it("speaks words, not marks", () => {
        expect(plainText("## A **b** `c`\n- [d](http://e)\n```py\n")).toBe("A b c d");
    });
});

describe("words for what happens", () => {
    it("tells the place in the queue, the load and the prompt in numbers (P11)", () => {
        const at = (phase: Parameters<typeof describePhase>[0]["phase"]) =>
            describePhase({ status: "waiting", phase, seam: null }, true).text;
        expect(at({ phase: "queued", position: 2 })).toBe("In the queue: 2nd");
        expect(at({ phase: "loading", stage: "weights", progress: 0.42 })).toBe("Loading the model: 42 %");
        expect(at({ phase: "prefill", done: 800, total: 3100, cached: 0 })).toBe(
            "Reading the prompt: 800 of 3,100 tokens",
        );
    });

    it("says so when it waits for the connection", () => {
        expect(describePhase({ status: "sending", phase: null, seam: null }, false).text).toBe(
            "Waiting for the connection",
        );
    });

    it("counts as English does", () => {
        expect([1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal)).toEqual([
            "1st",
            "2nd",
            "3rd",
            "4th",
            "11th",
            "12th",
            "13th",
            "21st",
            "102nd",
            "111th",
        ]);
    });

    it("says how many of the oldest messages an answer was made without [N17]", () => {
        const usage = { promptTokens: 9, cachedTokens: 0, completionTokens: 2, droppedMessages: 6 };
        const ending = { reason: "stop" as const, error: null, timings: null, usage };
        expect(otherWords(figuresOf(ending))).toEqual(["2 tokens", "without the oldest 6 messages"]);
        expect(otherWords(figuresOf({ ...ending, usage: { ...usage, droppedMessages: null } }))).toEqual([
            "2 tokens",
        ]);
    });

    it("says nothing of an answer that ended by itself, and why another one did", () => {
        const of = { error: null, usage: null, timings: null };
        expect(describeEnd({ ...of, reason: "stop" })).toBeNull();
        expect(describeEnd({ ...of, reason: "length" })?.text).toContain("limit");
        expect(
            describeEnd({ ...of, reason: "error", error: { code: "model", text: "Out of memory" } }),
        ).toEqual({
            text: "Out of memory",
            level: "error",
        });
    });
});
