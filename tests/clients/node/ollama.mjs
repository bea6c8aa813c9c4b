// ollama (npm), against the port of --ollama.
import assert from "node:assert/strict";
import { Ollama } from "ollama";
import { z } from "zod";
import { check, QUESTION, server, takeOneByOne, TEXT, untilRunning, WEATHER, WHOLE } from "./client.mjs";

const client = new Ollama({ host: server.ollama });
const messages = [{ role: "user", content: "Hi there" }];

async function* textOf(model, content) {
  for await (const part of await client.chat({ model, messages: [{ role: "user", content }], stream: true }))
    if (!part.done) yield part.message.content;
}

await check("[W87] models are listed and shown", async () => {
  assert.ok((await client.list()).models.some((model) => model.name === "plain"));
  assert.equal((await client.show({ model: "plain" })).model_info["fake.context_length"], 8192);
});

await check("[W85] tokens come one by one", () => takeOneByOne(textOf("gated", QUESTION), assert.equal));

await check("[W85] characters are whole, counts exact", async () => {
  const pieces = [];
  for await (const piece of textOf("bytes", "Hi")) pieces.push(piece);
  assert.deepEqual(pieces, [...TEXT]);
  const whole = await client.generate({ model: "bytes", prompt: "Hi", stream: false });
  assert.equal(whole.eval_count, new TextEncoder().encode(TEXT).length);
});

await check("[W85] thoughts, text and a call", async () => {
  const tools = [{ type: "function", function: { name: "get_weather", description: "", parameters: WEATHER } }];
  const { message } = await client.chat({ model: "kinds", messages, tools, think: true });
  assert.deepEqual([message.thinking, message.content], ["Hm, Bern.", "I askä"]);
  assert.deepEqual(message.tool_calls[0].function.arguments, { city: "Bern" });
});

await check("[W85] a schema", async () => {
  const Weather = z.object({ city: z.string(), degrees: z.number().nullable(), days: z.array(z.string()) });
  const { message } = await client.chat({ model: "form", messages, format: z.toJSONSchema(Weather) });
  assert.deepEqual(Weather.parse(JSON.parse(message.content)), WHOLE);
});

await check("[W101] vectors", async () => {
  const { embeddings } = await client.embed({ model: "plain", input: ["one two", "three"] });
  assert.deepEqual(embeddings.map((vector) => vector.length), [16, 16]);
});

await check("[O5] abort frees the engine", async () => {
  const parts = await client.chat({ model: "slow", messages, stream: true });
  await assert.rejects(async () => {
    for await (const _ of parts) parts.abort();
  }, { name: "AbortError" });
  await untilRunning(0);
});

await check("[W85] errors have the status and the words", async () => {
  await assert.rejects(client.chat({ model: "none", messages }), { status_code: 404, message: /none/ });
  await assert.rejects(client.chat({ model: "plain", messages, options: { temperature: 7 } }), { status_code: 400, message: /temperature/ });
});
