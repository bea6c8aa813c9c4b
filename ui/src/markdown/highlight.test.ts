import { expect, it } from "vitest";
import { highlight } from "./highlight";
import { languageOf } from "./languages";

it.each([
    ["python", "python"],
    ["Py", "python"],
    ["ts", "tsx"],
    ["bash", "shellscript"],
    ["c++", "cpp"],
    ["constructor", null],
    ["", null],
])("the word %s means the grammar %s", (word, language) => {
    expect(languageOf(word)).toBe(language);
});

it("without a worker code stays as it is", async () => {
    expect(await highlight("x = 1", "python")).toBeNull();
});
