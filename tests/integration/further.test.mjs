// Embeddings and legacy completions through the front door, with the vendors' SDKs and a strict provider whose bill the ledger
// equals to the nano-dollar.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CALLER_KEY, budget, records, settled } from "./lib/setup.mjs";
import { furtherSetting, vectorOf } from "./lib/further.mjs";

const money = budget("money", "{usd: 10}");
const floats = (v) => Array.from(new Float32Array(v));

test("embeddings: texts, lists and tokens pass in both codings, and are billed to the nano-dollar", async (t) => {
  const { openai, further, weir } = await furtherSetting(t, { budgets: money });
  const plain = await openai.embeddings.create({ model: "emb", input: "How high is the dam?" });
  assert.deepEqual(plain.data[0].embedding, floats(vectorOf("How high is the dam?")));
  assert.equal(further.calls[0].body.model, "mock-small");
  assert.equal(further.calls[0].body.encoding_format, "base64"); // which the SDK asks for, unless told otherwise
  const list = await openai.embeddings.create({ model: "emb", input: ["one", "two, three"], encoding_format: "float", dimensions: 3 });
  assert.deepEqual(list.data.map((d) => d.embedding), ["one", "two, three"].map(vectorOf));
  const raw = await openai.embeddings.create({ model: "emb", input: [[1, 2, 3], [4]], encoding_format: "base64" });
  assert.equal(typeof raw.data[0].embedding, "string");
  assert.equal(raw.usage.prompt_tokens, 4);
  await settled(weir, "money", further.bill);
  const list3 = await records(weir, 3);
  for (const r of list3) assert.deepEqual([r.operation, r.usage.estimated ?? false, String(r.usage.outputTokens)], ["embeddings", false, "0"]);
  assert.deepEqual(further.problems, []);
});

test("embeddings: usage that is not told is estimated from the input alone, and marked", async (t) => {
  const { openai, weir } = await furtherSetting(t, { budgets: money, plan: () => ({ usage: false }) });
  await openai.embeddings.create({ model: "emb", input: "How high is the dam?" });
  const [r] = await records(weir, 1);
  assert.equal(r.usage.estimated, true);
  assert.equal(BigInt(r.usage.outputTokens), 0n);
  assert.ok(BigInt(r.costNano) > 0n);
});

test("embeddings: a hard budget that the worst case does not fit refuses before anything leaves", async (t) => {
  const { openai, further, weir } = await furtherSetting(t, { budgets: budget("money", "{usd: 0.0002}") });
  const input = "x".repeat(4000); // 4,000 bytes, and so at most as many tokens: $0.0006
  await assert.rejects(openai.embeddings.create({ model: "emb", input }), (e) => e.status === 402 && /money/.test(e.message));
  assert.equal(further.calls.length, 0);
  await openai.embeddings.create({ model: "emb", input: "short" });
  await settled(weir, "money", further.bill);
});

test("genai embeddings: batches pass with the model renamed in each part, and are billed to the nano-dollar", async (t) => {
  const { genai, further, weir } = await furtherSetting(t, { budgets: money });
  const list = await genai.models.embedContent({ model: "gem", contents: ["one", "two, three"], config: { outputDimensionality: 3 } });
  assert.deepEqual(list.embeddings.map((e) => e.values), ["one", "two, three"].map(vectorOf));
  assert.deepEqual(further.calls[0].body.requests.map((r) => r.model), ["models/mock-small", "models/mock-small"]);
  const one = await fetch(`${weir.url}/v1beta/models/gem:embedContent?key=${CALLER_KEY}`, { method: "POST", body: JSON.stringify({ model: "models/gem", content: { parts: [{ text: "one" }] } }) });
  assert.deepEqual((await one.json()).embedding.values, vectorOf("one"));
  const other = await fetch(`${weir.url}/v1beta/models/gem:batchEmbedContents?key=${CALLER_KEY}`, { method: "POST", body: JSON.stringify({ requests: [{ model: "models/dear", content: {} }] }) });
  assert.equal(other.status, 400);
  assert.match((await other.json()).error.message, /another one than the path's/);
  await settled(weir, "money", further.bill);
  assert.deepEqual(further.problems, []);
});

test("completions: whole and streamed answers pass, usage is asked for and hidden again, and billed to the nano-dollar", async (t) => {
  const { openai, further, weir } = await furtherSetting(t, { budgets: money });
  const whole = await openai.completions.create({ model: "emb", prompt: ["one", "two"], n: 2, max_tokens: 5 });
  assert.equal(whole.choices.length, 4);
  assert.equal(whole.usage.completion_tokens, 20);
  const chunks = [];
  for await (const c of await openai.completions.create({ model: "emb", prompt: "How high?", stream: true, max_tokens: 8 })) chunks.push(c);
  assert.equal(chunks.map((c) => c.choices[0].text).join(""), "lor ".repeat(8));
  assert.equal(further.calls[1].body.stream_options.include_usage, true);
  let usage;
  for await (const c of await openai.completions.create({ model: "emb", prompt: "How high?", stream: true, max_tokens: 8, stream_options: { include_usage: true } })) usage = c.usage ?? usage;
  assert.equal(usage.completion_tokens, 8);
  await settled(weir, "money", further.bill);
  assert.ok((await records(weir, 3)).every((r) => r.operation === "text_completion"));
  assert.deepEqual(further.problems, []);
});

test("completions: without a limit the API's own, 16 tokens, is held and told to the provider", async (t) => {
  const { openai, further } = await furtherSetting(t, { budgets: money, plan: () => ({ tokens: 50 }) });
  const answer = await openai.completions.create({ model: "emb", prompt: "How high?" });
  assert.equal(further.calls[0].body.max_tokens, 16);
  assert.equal(answer.usage.completion_tokens, 16);
});

test("completions: a stream is cut where the budget ends, and the SDK reads it to its end", async (t) => {
  // Holds 1,024 tokens first; the next piece would be more than is left.
  const { openai, weir } = await furtherSetting(t, { budgets: budget("money", "{usd: 0.0012}"), plan: () => ({ tokens: 2000 }),
    more: "", args: "  models: [{name: mock-small, hiddenReasoning: false}]\n" });
  const chunks = [];
  for await (const c of await openai.completions.create({ model: "emb", prompt: "How high?", stream: true, max_tokens: 2000 })) chunks.push(c);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
  assert.match(chunks.at(-1).choices[0].text, /budget/);
  const [r] = await records(weir, 1);
  assert.equal(r.outcome, "cut");
});

test("a provider of another API, and the built-in one, refuse them clearly", async (t) => {
  const { openai, genai } = await furtherSetting(t);
  for (const model of ["foreign", "echoed"]) {
    const refused = (e) => e.status === 404 && e.code === "no_target" && e.message.includes(model);
    await assert.rejects(openai.embeddings.create({ model, input: "one" }), refused);
    await assert.rejects(openai.completions.create({ model, prompt: "one" }), refused);
  }
  await assert.rejects(genai.models.embedContent({ model: "foreign", contents: "one" }), /no_target/);
});

test("a body that cannot be read is refused with its place", async (t) => {
  const { openai, further } = await furtherSetting(t);
  await assert.rejects(openai.embeddings.create({ input: "one" }), (e) => e.status === 400 && /"model" is missing/.test(e.message));
  await assert.rejects(openai.completions.create({ model: "emb", prompt: "x", best_of: 1000 }), (e) => e.status === 400);
  assert.equal(further.calls.length, 0);
});
