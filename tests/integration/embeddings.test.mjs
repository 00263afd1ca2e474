// Embeddings between dialects: OpenAI's and Google's SDKs at OpenAI's, Google's, Cohere's and Bedrock's models. The same vectors to the
// bit, the same usage and the same bill for every pair; what a provider has no place for is named.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { GoogleGenAI } from "@google/genai";
import { CALLER_KEY, budget, provider, records, route, setting, settled } from "./lib/setup.mjs";
import { CohereMock } from "./lib/cohere.mjs";
import { FurtherMock, vectorOf } from "./lib/further.mjs";
import { InvokeMock } from "./lib/invoke.mjs";

const BEARER = "bedrock-api-key-canary";
const prices = `
apiVersion: weir.dev/v1alpha1
kind: PriceList
metadata: {name: bedrock}
spec:
  prices:
    - {model: amazon.titan-embed-text-v2:0, input: 0.15, output: 0}
    - {model: cohere.embed-english-v3, input: 0.15, output: 0}
---`;
const TARGETS = { oa: ["fo", "mock-small"], go: ["fg", "mock-small"], co: ["co", "mock-small"], titan: ["br", "amazon.titan-embed-text-v2:0"], brco: ["br", "cohere.embed-english-v3"] };

async function start(t, { extra = "", plan = () => ({}) } = {}) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-embed-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.writeFileSync(path.join(dir, "aws"), `${BEARER}\n`, { mode: 0o600 });
  const mocks = { further: new FurtherMock(plan), cohere: new CohereMock({ plan }), invoke: new InvokeMock({ bearer: BEARER, plan }) };
  for (const m of Object.values(mocks)) {
    await m.start();
    t.after(() => m.stop());
  }
  const routes = Object.entries(TARGETS).map(([name, [p, model]]) => route(name, [[{ provider: p, model }]], `  models: [${name}]\n${extra}`)).join("");
  const s = await setting(t, { budgets: budget("money", "{usd: 10}"), more: prices + provider("fo", "openai", mocks.further.url) + provider("fg", "gemini", mocks.further.url) + provider("co", "cohere", mocks.cohere.url)
    + provider("br", "bedrock", mocks.invoke.url, { extra: "  region: eu-central-1\n" }).replace("{env: MOCK_KEY}", `{file: ${path.join(dir, "aws")}}`) + routes });
  const genai = new GoogleGenAI({ apiKey: CALLER_KEY, httpOptions: { baseUrl: s.weir.url, retryOptions: { attempts: 1 } } });
  const single = (model, body) => fetch(`${s.weir.url}/v1beta/models/${model}:embedContent?key=${CALLER_KEY}`, { method: "POST", body: JSON.stringify(body) });
  const all = Object.values(mocks);
  return { ...s, ...mocks, genai, single, bill: () => all.reduce((n, m) => n + m.bill, 0n), problems: () => all.flatMap((m) => m.problems) };
}

const one = "How high is the dam?", two = ["one", "Größe \"x\"\n"];
const many = (to) => (to === "titan" ? [one] : two);

test("every pair gives the same vectors, usage and bill", async (t) => {
  const s = await start(t);
  let calls = 0;
  for (const to of Object.keys(TARGETS)) {
    const input = many(to);
    const plain = await s.openai.embeddings.create({ model: to, input });
    assert.deepEqual(plain.data.map((d) => [d.index, Array.from(d.embedding)]), input.map((x, i) => [i, vectorOf(x)]), to);
    assert.equal(plain.usage.prompt_tokens, input.reduce((n, x) => n + Math.ceil(Buffer.byteLength(x) / 4), 0));
    const floats = await s.openai.embeddings.create({ model: to, input: one, encoding_format: "float" });
    assert.deepEqual(floats.data[0].embedding, vectorOf(one));
    const google = await s.genai.models.embedContent({ model: to, contents: input });
    assert.deepEqual(google.embeddings.map((e) => e.values), input.map(vectorOf), to);
    const single = await (await s.single(to, { content: { parts: [{ text: one }] } })).json();
    assert.deepEqual([single.embedding.values, single.usageMetadata.promptTokenCount], [vectorOf(one), 5]);
    calls += 4;
  }
  assert.deepEqual(s.problems(), []);
  await settled(s.weir, "money", s.bill());
  for (const r of await records(s.weir, calls)) assert.deepEqual([r.operation, r.usage.estimated ?? false, r.outcome], ["embeddings", false, "ok"]);
});

test("floats are recoded exactly, whatever their value", async (t) => {
  const values = [0.1, -1e-7, 3.4028234e38, 1.17549435e-38, 0.016666668, 0];
  const vector = Array.from(new Float32Array(values));
  const base64 = Buffer.from(new Float32Array(values).buffer).toString("base64");
  const plan = (c) => (c.path === "/v2/embed" ? { status: 200, body: { id: "e", embeddings: { float: [values] }, meta: { billed_units: { input_tokens: 1 } } } } : {});
  const s = await start(t, { plan });
  const { data } = await s.openai.embeddings.create({ model: "co", input: "x", encoding_format: "base64" });
  assert.equal(data[0].embedding, base64);
  assert.deepEqual(Array.from((await s.openai.embeddings.create({ model: "co", input: "x" })).data[0].embedding), vector);
  const other = await start(t, { plan: (c) => (c.path === "/v2/embed" ? { status: 200, body: { id: "e", embeddings: { base64: [base64] } } } : {}) });
  const numbers = await other.openai.embeddings.create({ model: "co", input: "x", encoding_format: "float" });
  assert.deepEqual(Array.from(new Float32Array(numbers.data[0].embedding)), vector);
});

test("vectors of every length are recoded whole", async (t) => {
  let values;
  const s = await start(t, { plan: (c) => (c.path === "/v2/embed" ? { status: 200, body: { id: "e", embeddings: { float: [values] }, meta: { billed_units: { input_tokens: 1 } } } } : {}) });
  for (const n of [1, 2, 3, 191, 192, 193, 384, 1536]) {
    values = Array.from({ length: n }, (_, i) => i / 7);
    const { data } = await s.openai.embeddings.create({ model: "co", input: "x" });
    assert.deepEqual(Array.from(data[0].embedding), Array.from(new Float32Array(values)), n);
  }
});

test("purpose, size and title reach who has a place for them, and are named to who has none", async (t) => {
  const s = await start(t);
  const ask = (to, config) => s.single(to, { content: { parts: [{ text: "a" }, { text: "b" }] }, ...config });
  const config = { taskType: "RETRIEVAL_QUERY", outputDimensionality: 2 };
  assert.equal((await ask("co", config)).headers.get("x-weir-dropped"), null);
  assert.deepEqual(s.cohere.calls[0].body, { model: "mock-small", texts: ["a\nb"], input_type: "search_query", embedding_types: ["float"], output_dimension: 2 });
  assert.equal((await ask("oa", { ...config, title: "T" })).headers.get("x-weir-dropped"), "taskType, title");
  assert.deepEqual(s.further.calls[0].body, { model: "mock-small", input: ["a\nb"], encoding_format: "float", dimensions: 2 });
  const sent = await s.openai.embeddings.create({ model: "go", input: "x", dimensions: 3, input_type: "query", user: "u" }).withResponse();
  assert.equal(sent.response.headers.get("x-weir-dropped"), "user");
  assert.deepEqual(s.further.calls[1].body, { requests: [{ model: "models/mock-small", content: { parts: [{ text: "x" }] }, taskType: "RETRIEVAL_QUERY", outputDimensionality: 3 }] });
  const strict = await start(t, { extra: "  translation: strict\n" });
  const refused = await strict.single("oa", { content: { parts: [{ text: "a" }] }, taskType: "CLUSTERING" });
  assert.equal(refused.status, 400);
  assert.match((await refused.json()).error.message, /'taskType' cannot be expressed/);
  assert.deepEqual([...s.problems(), ...strict.problems()], []);
});

test("what another model can't embed is refused by name, and nothing leaves", async (t) => {
  const s = await start(t);
  await assert.rejects(s.openai.embeddings.create({ model: "co", input: [[1, 2], [3]] }), (e) => e.status === 400 && /must be texts/.test(e.message));
  await assert.rejects(s.openai.embeddings.create({ model: "titan", input: ["a", "b"] }), (e) => e.status === 400 && e.code === "not_translatable" && /'input' has 2 texts/.test(e.message));
  await assert.rejects(s.openai.embeddings.create({ model: "co", input: [] }), (e) => e.status === 400);
  const picture = await s.single("co", { content: { parts: [{ inlineData: { mimeType: "image/png", data: "iVBORw0KGgo=" } }] } });
  assert.equal(picture.status, 400);
  assert.equal(s.cohere.calls.length + s.invoke.calls.length, 0);
});

test("errors keep status and message in the client's shape, and a wrong answer is none", async (t) => {
  const s = await start(t, { plan: (c) => (c.path === "/v2/embed" ? { status: 422, body: { message: "too long" } } : c.path.includes("invoke") ? { status: 400, body: { message: "Malformed input" } } : {}) });
  await assert.rejects(s.openai.embeddings.create({ model: "co", input: "x" }), (e) => e.status === 422 && /too long/.test(e.message));
  await assert.rejects(s.genai.models.embedContent({ model: "titan", contents: "x" }), (e) => e.status === 400 && /Malformed input/.test(e.message));
  const wrong = await start(t, { plan: (c) => (c.path === "/v2/embed" ? { status: 200, body: { embeddings: { float: ["no base64 of floats", 7] } } } : {}) });
  await assert.rejects(wrong.openai.embeddings.create({ model: "co", input: "x", encoding_format: "float" }), (e) => e.status === 502);
});
