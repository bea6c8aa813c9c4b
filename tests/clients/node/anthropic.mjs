// @anthropic-ai/sdk (npm).
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { check, QUESTION, server, takeOneByOne, TEXT, untilRunning, WEATHER } from "./client.mjs";

const client = new Anthropic({ baseURL: server.url, apiKey: "none", maxRetries: 0 });
const asked = { max_tokens: 90000, messages: [{ role: "user", content: "Hi there" }] };

async function* textOf(model, content) {
  const stream = await client.messages.create({ ...asked, model, messages: [{ role: "user", content }], stream: true });
  for await (const event of stream) if (event.type === "content_block_delta") yield event.delta.text;
}

await check("[W82] tokens come one by one", () => takeOneByOne(textOf("gated", QUESTION), assert.equal));

await check("[W82] characters are whole, counts exact", async () => {
  const pieces = [];
  const stream = client.messages.stream({ ...asked, model: "bytes" }).on("text", (text) => pieces.push(text));
  const message = await stream.finalMessage();
  assert.deepEqual(pieces, [...TEXT]);
  assert.equal(message.usage.output_tokens, new TextEncoder().encode(TEXT).length);
  assert.equal(message.usage.input_tokens, (await client.messages.countTokens({ model: "bytes", messages: asked.messages })).input_tokens);
});

await check("[W81] thoughts, text and a call", async () => {
  const tools = [{ name: "get_weather", input_schema: WEATHER }];
  const stream = client.messages.stream({ ...asked, model: "kinds", tools, thinking: { type: "enabled", budget_tokens: 1024 } });
  const { content, stop_reason } = await stream.finalMessage();
  assert.deepEqual(content.map((block) => block.type), ["thinking", "text", "tool_use"]);
  assert.deepEqual(content[2].input, { city: "Bern" });
  assert.equal(stop_reason, "tool_use");
});

await check("[W81] which stop sequence it was", async () => {
  const { content, stop_reason, stop_sequence } = await client.messages.create({ ...asked, max_tokens: 50, model: "plain", stop_sequences: [" thr"] });
  assert.deepEqual([content[0].text, stop_reason, stop_sequence], [" one two", "stop_sequence", " thr"]);
});

await check("[O5] abort frees the engine", async () => {
  const stream = client.messages.stream({ ...asked, model: "slow" });
  for await (const event of stream) if (event.type === "content_block_delta") break;
  await untilRunning(0);
});

await check("[W81] errors have their types", async () => {
  await assert.rejects(client.messages.create({ ...asked, max_tokens: 50, model: "none" }), Anthropic.NotFoundError);
  await assert.rejects(client.messages.create({ ...asked, max_tokens: 50, model: "plain", temperature: 7 }), Anthropic.BadRequestError);
});
