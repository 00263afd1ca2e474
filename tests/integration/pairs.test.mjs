// Every client API at every provider's: the vendors' own SDKs, strict mocks of the providers, whole answers, streams cut at random
// places, and whole answers that the provider is asked for as a stream (wholeAsStream). What the SDK returns, what the provider was asked, and the bill to the nano-dollar. WEIR_SEED repeats a run's cuts.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { GoogleGenAI } from "@google/genai";
import { FIGURES, SIGNATURE, answers, asked } from "./lib/answers.mjs";
import { Bedrock, REGION, awsClient } from "./lib/bedrock.mjs";
import { CohereMock } from "./lib/cohere.mjs";
import { call, callers } from "./lib/callers.mjs";
import { GeminiMock } from "./lib/gemini.mjs";
import { ResponsesMock } from "./lib/responses.mjs";
import { CALLER_KEY, budget, provider, route, setting, settled, testTls } from "./lib/setup.mjs";

const seed = Number(process.env.WEIR_SEED ?? 20261123);
const png = "iVBORw0KGgo=";
const schema = { type: "object", properties: { dam: { type: "string" } }, required: ["dam"], additionalProperties: false };
const cost = 47n * 150n + 3n * 75n + 17n * 600n; // of FIGURES, by the price list

// A generator of piece lengths (mulberry32): often single bytes, now and then a long piece.
function lengths(from) {
  let s = from >>> 0;
  const next = () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let x = Math.imul(s ^ (s >>> 15), s | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => 1 + Math.floor(next() ** 4 * 400);
}

// One proxy with a provider of each API, which answer what `say.answer` holds.
async function start(t) {
  const say = { answer: undefined, billed: 0n };
  const split = lengths(seed);
  const plan = (provider, streams) => {
    if (!say.answer.error) say.billed += cost;
    return answers[provider](say.answer, streams, split);
  };
  const files = testTls();
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-pairs-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.writeFileSync(path.join(dir, "aws"), "bedrock-api-key-canary\n", { mode: 0o600 });
  const dialect = (c) => ({ "/v1/messages": "messages", "/v1/responses": "responses" }[c.path] ?? "chat");
  const google = await new GeminiMock({ plan: (c) => plan("gemini", c.path.includes(":stream")) }).start();
  t.after(() => google.stop());
  const aws = await new Bedrock({ tls: files.options, bearer: "bedrock-api-key-canary", plan: (c) => plan("bedrock", c.path.endsWith("-stream")) }).start();
  t.after(() => aws.stop());
  const cohere = await new CohereMock({ plan: (c) => plan("cohere", c.body.stream) }).start();
  t.after(() => cohere.stop());
  const to = Object.entries({ chat: "oa", messages: "an", responses: "re", gemini: "go", bedrock: "br", cohere: "co" });
  const s = await setting(t, { provider: ResponsesMock, plan: (c) => plan(dialect(c), c.body.stream), budgets: budget("money", "{usd: 10}"),
    more: (mock, caFile) => provider("re", "openaiResponses", mock.url, { caFile }) + provider("go", "gemini", google.url) + provider("co", "cohere", cohere.url)
      + provider("br", "bedrock", aws.url, { caFile, extra: `  region: ${REGION}\n` }).replace("{env: MOCK_KEY}", `{file: ${path.join(dir, "aws")}}`)
      + to.flatMap(([name, p]) => [route(name, [[{ provider: p, model: "mock-small" }]], `  models: [${name}]`),
        route(`${name}-gathered`, [[{ provider: p, model: "mock-small" }]], `  models: [${name}-gathered]\n  wholeAsStream: true`)]).join("") });
  const clients = { openai: s.openai, anthropic: s.anthropic, aws: awsClient(t, s.weir.url),
    genai: new GoogleGenAI({ apiKey: CALLER_KEY, httpOptions: { baseUrl: s.weir.url, retryOptions: { attempts: 1 } } }) };
  const mocks = { chat: s.mock, messages: s.mock, responses: s.mock, gemini: google, bedrock: aws, cohere };
  return { ...s, clients, say, lastBody: (p) => mocks[p].calls.at(-1).body, problems: () => [s.mock, google, aws, cohere].flatMap((m) => m.problems.splice(0)) };
}

const question = { user: [{ text: "How high is the dam?" }] };
const calls = [{ id: "call_a", name: "level", args: { of: "Möhne" } }, { id: "call_b", name: "flow", args: { of: "Eder \"low\"" } }];
const triples = (list) => list.map((c) => [c.id, c.name, c.args]);

// What is asked, what is answered, what the SDK must give and the provider must have got.
const features = [
  { name: "text", ask: { system: "Be brief.", turns: [question] }, answer: { text: "Größe: 40 m 🌊", finish: "stop" }, got: { system: "Be brief.", text: "How high is the dam?", limit: 100 } },
  { name: "an image", ask: { turns: [{ user: [{ text: "What is it?" }, { image: png }] }] }, answer: { text: "A dam.", finish: "stop" }, got: { text: "What is it?", images: [png], limit: 100 } },
  { name: "structured output", ask: { turns: [question], schema }, answer: { text: '{"dam":"Möhne"}', finish: "stop" }, got: { text: "How high is the dam?", schema, limit: 100 } },
  { name: "the limit", ask: { turns: [question] }, answer: { text: "It is", finish: "length" }, got: { text: "How high is the dam?", limit: 100 } },
  { name: "a stop sequence", ask: { turns: [question] }, answer: { text: "Up to here", finish: "sequence" }, got: { text: "How high is the dam?", limit: 100 } },
  { name: "an empty answer", ask: { turns: [question] }, answer: { finish: "stop" }, got: { text: "How high is the dam?", limit: 100 } },
  { name: "a text and a call without arguments", ask: { turns: [question], tools: ["now"] }, answer: { text: "Wait.", calls: [{ id: "call_c", name: "now", args: {} }], finish: "tools" },
    got: { text: "How high is the dam?", tools: ["now"], limit: 100 } },
  { name: "a long call", ask: { turns: [question], tools: ["level"] }, answer: { calls: [{ id: "call_d", name: "level", args: { of: "ö\\\"\n".repeat(4000) } }], finish: "tools" },
    got: { text: "How high is the dam?", tools: ["level"], limit: 100 } },
  { name: "a filter", ask: { turns: [question] }, answer: { text: "No.", finish: "filter" }, got: { text: "How high is the dam?", limit: 100 } },
];

const refusal = { text: "I can't say.", refusal: true, finish: "stop" };
const has = { refusal: ["chat", "responses"], sequence: ["messages", "bedrock", "cohere"] }; // who has a word of its own for it

// What the SDK gives; a refusal or a stop sequence in words that both sides have, or else in the nearest.
function check(from, to, given, answer) {
  const refused = answer.refusal && has.refusal.includes(from);
  const kind = to === "cohere" && answer.finish === "filter" ? "stop" : answer.finish === "sequence" && !has.sequence.includes(to) ? "stop" : answer.refusal && !refused ? "filter" : answer.finish;
  const { text = "", reason = "" } = answer;
  assert.deepEqual({ text: given.text, refusal: given.refusal ?? "", reason: given.reason, calls: given.calls, finish: given.finish, usage: given.usage },
    { text: refused ? "" : text, refusal: refused ? text : "", reason, calls: triples(answer.calls ?? []), finish: callers[from].finish[kind], usage: [FIGURES.input, FIGURES.cached, FIGURES.output] });
}

// Reasoning and two parallel calls, and their results in the next turn, with what the provider has signed.
async function roundTrip({ clients, say, lastBody }, from, to, stream, model) {
  const caller = callers[from];
  const ask = { model, limit: 100, tools: ["level", "flow"], turns: [question] };
  say.answer = { reason: "Hm. Well.", calls, finish: "tools" };
  const first = await call(caller, clients, ask, stream);
  check(from, to, first, say.answer);
  assert.deepEqual(asked[to](lastBody(to)).tools, ["level", "flow"]);
  const results = calls.map((c, i) => ({ id: c.id, name: c.name, text: `${i + 3} m` }));
  say.answer = { text: "Done.", finish: "stop" };
  check(from, to, await call(caller, clients, { ...ask, turns: [question, { said: first.said }, { results }] }, stream), say.answer);
  assert.deepEqual(asked[to](lastBody(to)), { text: "How high is the dam?", tools: ["level", "flow"], limit: 100, calls: triples(calls), results: results.map((r) => [r.id, r.text]),
    ...(to === "cohere" ? { thoughts: ["Hm. Well."] } : to !== "chat" && { signatures: [SIGNATURE] }) });
}

test(`every client's SDK at every provider's API (seed ${seed})`, async (t) => {
  const s = await start(t);
  for (const [from, caller] of Object.entries(callers))
    for (const to of Object.keys(answers))
      for (const way of ["whole", "streaming", "gathered"])
        await t.test(`${from} to ${to}, ${way}`, async (u) => {
          const stream = way === "streaming", model = way === "gathered" ? `${to}-gathered` : to;
          for (const f of features) {
            u.diagnostic(f.name);
            s.say.answer = f.answer;
            check(from, to, await call(caller, s.clients, { model, limit: 100, ...f.ask }, stream), f.answer);
            assert.deepEqual(asked[to](s.lastBody(to)), f.got, f.name);
            if (way === "gathered" && to !== "gemini" && to !== "bedrock") assert.equal(s.lastBody(to).stream, true, `${f.name}: was asked for as a stream`);
          }
          if (has.refusal.includes(to)) {
            s.say.answer = refusal;
            check(from, to, await call(caller, s.clients, { model, limit: 100, turns: [question] }, stream), refusal);
          }
          await roundTrip(s, from, to, stream, model);
          s.say.answer = { error: "The mock says no.", status: 422 };
          await assert.rejects(call(caller, s.clients, { model, limit: 100, turns: [question] }, stream), (e) => (e.status ?? e.$metadata.httpStatusCode) === 422 && /The mock says no\./.test(e.message));
          await settled(s.weir, "money", s.say.billed);
          assert.deepEqual(s.problems(), []);
        });
});
