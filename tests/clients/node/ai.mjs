// Vercel's AI SDK (npm: ai), with its provider for compatible servers (chat) and OpenAI's own (responses).
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, Output, streamText, tool } from "ai";
import { z } from "zod";
import { check, QUESTION, server, takeOneByOne, TEXT, untilRunning, WHOLE } from "./client.mjs";

const baseURL = `${server.url}/v1`;
const runnel = createOpenAICompatible({ name: "runnel", baseURL, includeUsage: true, supportsStructuredOutputs: true });
const openai = createOpenAI({ baseURL, apiKey: "none" });
const Weather = z.object({ city: z.string(), degrees: z.number().nullable(), days: z.array(z.string()) });
const bytes = new TextEncoder().encode(TEXT).length;
const tools = { get_weather: tool({ inputSchema: z.object({ city: z.string() }) }) };

await check("[O4] tokens come one by one", () => takeOneByOne(streamText({ model: runnel("gated"), prompt: QUESTION }).textStream, assert.equal));

for (const [provider, kind] of [[runnel, "chat"], [openai, "responses"]]) {
  await check(`${kind}: characters are whole, counts exact`, async () => {
    const answer = streamText({ model: provider("bytes"), prompt: "Hi" });
    const pieces = [];
    for await (const piece of answer.textStream) pieces.push(piece);
    assert.deepEqual(pieces, [...TEXT]);
    assert.equal((await answer.usage).outputTokens, bytes);
    assert.equal(await answer.finishReason, "stop");
  });

  await check(`${kind}: a type of zod`, async () => {
    const { output } = await generateText({ model: provider("form"), prompt: "Hi", output: Output.object({ schema: Weather }) });
    assert.deepEqual(output, WHOLE);
  });

  await check(`${kind}: thoughts, text and a call`, async () => {
    const answer = await generateText({ model: provider("kinds"), prompt: "Hi", tools, toolChoice: "required" });
    assert.equal(answer.text, "I askä");
    assert.deepEqual(answer.toolCalls.map((call) => [call.toolName, call.input]), [["get_weather", { city: "Bern" }]]);
    assert.equal(answer.finishReason, "tool-calls");
  });

  await check(`${kind}: a model that is not there`, async () => {
    await assert.rejects(generateText({ model: provider("none"), prompt: "Hi", maxRetries: 0 }), (error) => {
      assert.ok(APICallError.isInstance(error));
      assert.equal(error.statusCode, 404);
      return true;
    });
  });
}

await check("[W100] vectors", async () => {
  const { embeddings, usage } = await embedMany({ model: runnel.textEmbeddingModel("plain"), values: ["one two", "three"] });
  assert.deepEqual(embeddings.map((vector) => vector.length), [16, 16]);
  assert.equal(usage.tokens, 3);
});

await check("[O9] thoughts are apart", async () => {
  assert.equal((await generateText({ model: runnel("kinds"), prompt: "Hi", tools })).reasoningText, "Hm, Bern.");
});

await check("[O5] abort frees the engine", async () => {
  const abort = new AbortController();
  const { fullStream } = streamText({ model: runnel("slow"), prompt: "Hi", abortSignal: abort.signal });
  for await (const part of fullStream) if (part.type === "text-delta") abort.abort();
  await untilRunning(0);
});
