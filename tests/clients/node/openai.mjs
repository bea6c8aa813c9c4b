// openai (npm): chat, completions, responses.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { check, QUESTION, server, takeOneByOne, TEXT, untilRunning, WHOLE } from "./client.mjs";

const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Hi there" }];
const Weather = z.object({ city: z.string(), degrees: z.number().nullable(), days: z.array(z.string()) });

async function* textOf(model, content) {
  const stream = await client.chat.completions.create({ model, messages: [{ role: "user", content }], stream: true });
  for await (const chunk of stream) if (chunk.choices[0].delta.content) yield chunk.choices[0].delta.content;
}

await check("[O1] models are listed", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.includes("plain"));
});

await check("[O4] tokens come one by one", () => takeOneByOne(textOf("gated", QUESTION), assert.equal));

await check("[O12] characters are whole, counts exact", async () => {
  const runner = client.chat.completions.stream({ model: "bytes", messages, stream_options: { include_usage: true } });
  const pieces = [];
  runner.on("content", (delta) => pieces.push(delta));
  const whole = await runner.finalChatCompletion();
  assert.deepEqual(pieces.filter(Boolean), [...TEXT]);
  assert.equal(whole.usage.completion_tokens, new TextEncoder().encode(TEXT).length);
});

await check("[O5] abort frees the engine", async () => {
  const stream = await client.chat.completions.create({ model: "slow", messages, stream: true });
  for await (const _ of stream) break;
  await untilRunning(0);
});

await check("[O10] a type of zod", async () => {
  const asked = { model: "form", messages, response_format: zodResponseFormat(Weather, "weather") };
  assert.deepEqual((await client.chat.completions.parse(asked)).choices[0].message.parsed, WHOLE);
});

await check("[O8] calls", async () => {
  const tools = [zodFunction({ name: "get_weather", parameters: z.object({ city: z.string() }) })];
  const runner = client.chat.completions.stream({ model: "kinds", messages, tools });
  const { message, finish_reason } = (await runner.finalChatCompletion()).choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.deepEqual(message.tool_calls[0].function.parsed_arguments, { city: "Bern" });
  assert.equal(message.content, "I askä");
});

await check("[W73] a text goes on", async () => {
  const answer = await client.completions.create({ model: "plain", prompt: "Once", max_tokens: 2 });
  assert.equal(answer.choices[0].text, " one two");
});

await check("[W77] the events of a response", async () => {
  const stream = client.responses.stream({ model: "form", input: "Hi", text: { format: zodTextFormat(Weather, "weather") } });
  let deltas = "";
  stream.on("response.output_text.delta", (event) => (deltas += event.delta));
  const response = await stream.finalResponse();
  assert.deepEqual(response.output_parsed, WHOLE);
  assert.equal(deltas, response.output_text);
});

await check("[W78] a response in the background is taken up where it broke off", async () => {
  const numbers = [];
  let id;
  for await (const event of await client.responses.create({ model: "slow", input: "Hi", background: true, stream: true })) {
    id ??= event.response.id;
    numbers.push(event.sequence_number);
    if (numbers.length === 20) break;
  }
  let last;
  for await (last of await client.responses.retrieve(id, { stream: true, starting_after: numbers.at(-1) })) {
    numbers.push(last.sequence_number);
    if (numbers.length === 40) await client.responses.cancel(id);
  }
  assert.deepEqual(numbers, [...numbers.keys()]);
  assert.equal(last.response.status, "cancelled");
});

await check("[W100] vectors, which the client asks for packed", async () => {
  const { data } = await client.embeddings.create({ model: "plain", input: ["one two", "three"] });
  assert.deepEqual(data.map((item) => item.embedding.length), [16, 16]);
  assert.ok(Math.abs(Math.hypot(...data[0].embedding) - 1) < 1e-6);
});

await check("[O3] errors have their types", async () => {
  await assert.rejects(client.chat.completions.create({ model: "none", messages }), OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create({ model: "plain", messages, temperature: 7 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "temperature");
    return true;
  });
});
