// What the scripts of the clients share: where the server is, the gates of its scripted model, and how a check is told.
//
// Each script is started as `node NAME.mjs '{"url","ollama","gates"}'` by tests/clients/test_node.py and ends with exit code 0 when all of its checks held.
import { existsSync, writeFileSync } from "node:fs";

export const server = JSON.parse(process.argv[2]);
export const TEXT = "👩‍🚀 漢字 ø!";
export const WORDS = [" one", " two", " three"];
export const WEATHER = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const WHOLE = { city: "Bern", degrees: 17.5, days: ["Monday"] };

export async function check(name, body) {
  try {
    await body();
    console.log(`ok ${name}`);
  } catch (error) {
    console.error(`FAILED ${name}:`, error);
    process.exit(1);
  }
}

// The questions that a script asks the gated model name it, so that each has gates of its own.
export const QUESTION = `Say it by ${server.name}.`;

// Opens one gate at a time, and sees that what was said behind it comes before the next one is opened.
export async function takeOneByOne(pieces, equal) {
  const iterator = pieces[Symbol.asyncIterator]();
  for (const [index, word] of WORDS.entries()) {
    open(index + 1);
    equal((await iterator.next()).value, word);
  }
  open(WORDS.length + 1);
  equal((await iterator.next()).done, true);
}

function open(token) {
  const path = `${server.gates}/gate-${QUESTION}-${token}`;
  if (!existsSync(path)) writeFileSync(path, "");
}

// How many answers are made just now, once that is as many as expected.
export async function untilRunning(wanted) {
  for (;;) {
    const status = await (await fetch(`${server.url}/api/model/status`)).json();
    const running = status.models.reduce((sum, model) => sum + model.running, 0);
    if (running === wanted) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
