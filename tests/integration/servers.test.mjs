// OpenAI-compatible servers: callers of three APIs get text, reasoning, a tool round trip, usage and cost right from each one, streaming and
// not, though each refuses something else and answers in its own way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { budget, provider, records, route, setting, settled } from "./lib/setup.mjs";
import { call, callers } from "./lib/callers.mjs";
import { SERVERS, ServerMock } from "./lib/servers.mjs";

const COST = 47n * 150n + 3n * 75n + 17n * 600n; // 50 tokens of input with 3 from the cache, 17 of output
const question = { user: [{ text: "How high is the dam?" }] };
const calls = [{ id: "call_a", short: "abcDEF123", name: "level", args: { of: "Möhne" } }, { id: "call_b", short: "ghiJKL456", name: "flow", args: { of: "Eder" } }];

async function start(t, names, { extra = "", fields = "", also } = {}) {
  const say = { answer: undefined };
  const mocks = {};
  for (const name of names) {
    mocks[name] = await new ServerMock(name, () => say.answer, also).start();
    t.after(() => mocks[name].stop());
  }
  const s = await setting(t, { budgets: budget("money", "{usd: 10}"), more: names.map((name) => provider(name, "openai", mocks[name].url, { extra: `  server: ${name}\n${fields}` })
    + route(name, [[{ provider: name, model: "org/mock-small" }]], `  models: [${name}]\n${extra}`)).join("") + prices });
  return { ...s, say, mocks };
}

const prices = `
apiVersion: weir.dev/v1alpha1
kind: PriceList
metadata: {name: slash}
spec:
  prices:
    - {model: org/mock-small, input: 0.15, output: 0.60, cacheRead: 0.075, cacheWrite: 0.1875, maxOutputTokens: 1000}
---`;

// The caller's own API: what the SDK's users do, with fields that not every server takes, and OpenAI's role of developers.
async function chat({ openai }, model, messages, stream) {
  const params = { model, messages, max_completion_tokens: 100, seed: 7, store: false, metadata: { k: "v" }, user: "u", reasoning_effort: "high", parallel_tool_calls: true,
    tools: ["level", "flow"].map((name) => ({ type: "function", function: { name, parameters: { type: "object", properties: {} } } })) };
  if (!stream) return (await openai.chat.completions.create(params)).choices[0].message;
  const { parsed, ...message } = (await openai.chat.completions.stream({ ...params, stream_options: { include_usage: true } }).finalChatCompletion()).choices[0].message;
  for (const c of message.tool_calls ?? []) delete c.function.parsed_arguments;
  return message;
}

for (const name of SERVERS)
  test(`S-06, T-01, T-07: ${name}: callers of Chat Completions, Messages and Responses get all that it says, and a bill to the nano-dollar`, async (t) => {
    const s = await start(t, [name]);
    const mock = s.mocks[name];
    let n = 0;
    for (const stream of [false, true]) {
      const messages = [{ role: "developer", content: "Be brief." }, { role: "user", content: "How high is the dam?" }];
      s.say.answer = { text: "Größe: 40 m 🌊" };
      const first = await chat(s, name, messages, stream);
      assert.equal(first.content, s.say.answer.text);
      assert.equal(mock.calls.at(-1).body.model, "org/mock-small");
      s.say.answer = { calls };
      const said = await chat(s, name, messages, stream);
      assert.deepEqual(said.tool_calls.map((c) => [c.function.name, JSON.parse(c.function.arguments)]).slice(-1), [["flow", { of: "Eder" }]]);
      // A history that another model has begun: ids of another form, and members that OpenAI's own messages have.
      const old = { role: "assistant", content: null, refusal: null, annotations: [], tool_calls: [{ id: "call_PTLP8xhu3uwZk4l3nlnrrJha", type: "function", function: { name: "level", arguments: "{}" } }] };
      s.say.answer = { text: "Done." };
      assert.equal((await chat(s, name, [...messages, old, { role: "tool", tool_call_id: "call_PTLP8xhu3uwZk4l3nlnrrJha", content: "3 m" }], stream)).content, "Done.");
      const sent = mock.calls.at(-1).body.messages;
      assert.equal(sent[2].tool_calls[0].id, sent[3].tool_call_id);
      n += 3;
      for (const caller of [callers.messages, callers.responses]) {
        const ask = { model: name, limit: 100, tools: ["level", "flow"], turns: [question] };
        s.say.answer = { reason: "Hm. Well.", calls };
        const got = await call(caller, s, ask, stream);
        assert.deepEqual([got.reason, got.calls.map(([, f, args]) => [f, args]), got.finish, got.usage], ["Hm. Well.", calls.map((c) => [c.name, c.args]), caller.finish.tools, [50, 3, 17]]);
        assert.equal(new Set(got.calls.map(([id]) => id)).size, 2);
        const results = got.calls.map(([id, f], i) => ({ id, name: f, text: `${i + 3} m` }));
        s.say.answer = { text: "Done." };
        const done = await call(caller, s, { ...ask, turns: [question, { said: got.said }, { results }] }, stream);
        assert.deepEqual([done.text, done.finish, done.usage], ["Done.", caller.finish.stop, [50, 3, 17]]);
        n += 2;
      }
    }
    assert.ok(mock.calls.length === n, "every call was accepted at once");
    await settled(s.weir, "money", COST * BigInt(n));
  });

test("T-06: calls that a server gives the same index, or no ids, are told apart", async (t) => {
  const s = await start(t, ["vllm"], { also: { allAtOnce: true, sameIndex: true } });
  s.say.answer = { calls };
  const got = await call(callers.messages, s, { model: "vllm", limit: 100, tools: ["level", "flow"], turns: [question] }, true);
  assert.deepEqual(got.calls, calls.map((c) => [c.id, c.name, c.args]));
});

test("T-18: what a server refuses is left out and named, and with a strict translation its target is", async (t) => {
  const s = await start(t, ["groq", "mistral", "deepseek", "xai", "together"]);
  s.say.answer = { text: "Done." };
  const ask = async (model, extra) => {
    const { response } = await s.openai.chat.completions.create({ model, messages: [{ role: "user", content: "hi" }], ...extra }).withResponse();
    return [response.headers.get("x-weir-dropped"), s.mocks[model].calls.at(-1).body];
  };
  assert.equal((await ask("groq", { store: true, logprobs: true, n: 2, prompt_cache_key: "k" }))[0], "store, logprobs, n, prompt_cache_key");
  const [dropped, body] = await ask("mistral", { seed: 7, max_completion_tokens: 9, user: "u", stream_options: null });
  assert.deepEqual([dropped, body], ["user", { model: "org/mock-small", messages: [{ role: "user", content: "hi" }], random_seed: 7, max_tokens: 9 }]);
  const schema = { type: "json_schema", json_schema: { name: "n", schema: {} } };
  assert.deepEqual((await ask("deepseek", { response_format: schema }))[1].response_format, { type: "json_object" });
  assert.equal((await ask("xai", { presence_penalty: 0, frequency_penalty: 1 }))[0], "presence_penalty, frequency_penalty");
  assert.equal((await ask("together", { reasoning_effort: "xhigh" }))[1].reasoning_effort, "high");
  const strict = await start(t, ["groq", "deepseek"], { extra: "  translation: strict\n" });
  strict.say.answer = s.say.answer;
  await assert.rejects(strict.openai.chat.completions.create({ model: "deepseek", messages: [{ role: "user", content: "hi" }], response_format: schema }), (e) => e.status === 400 && /'response_format.json_schema' is refused/.test(e.message));
  await strict.openai.chat.completions.create({ model: "groq", messages: [{ role: "user", content: "hi" }], store: true });
  await assert.rejects(strict.anthropic.messages.create({ model: "deepseek", max_tokens: 9, messages: [{ role: "user", content: "hi" }], output_config: { format: { type: "json_schema", schema: { type: "object" } } } }), (e) => e.status === 400 && /refused by this model's server/.test(e.message));
  assert.equal(strict.mocks.deepseek.calls.length, 0);
});

test("a model's own refusals are left out, whatever server it runs on", async (t) => {
  const s = await start(t, ["vllm"], { fields: "  models: [{name: org/mock-small, refuses: [stop, temperature]}]\n" });
  s.say.answer = { text: "Done." };
  const { response } = await s.openai.chat.completions.create({ model: "vllm", messages: [{ role: "user", content: "hi" }], stop: "x", temperature: 0.5, top_p: 1 }).withResponse();
  assert.equal(response.headers.get("x-weir-dropped"), "stop, temperature");
  const { stop, temperature, top_p } = s.mocks.vllm.calls[0].body;
  assert.deepEqual([stop, temperature, top_p], [undefined, undefined, 1]);
});

test("errors in the servers' own shapes reach callers of another API with status and words", async (t) => {
  const s = await start(t, ["mistral", "vllm", "xai", "fireworks", "openrouter", "llamacpp"]);
  s.say.answer = { text: "x" };
  for (const [name, status] of [["mistral", 422], ["vllm", 400], ["xai", 400], ["fireworks", 400], ["openrouter", 400], ["llamacpp", 400]]) {
    s.mocks[name].complaint = () => "The prompt is too long";
    await assert.rejects(s.anthropic.messages.create({ model: name, max_tokens: 9, messages: [{ role: "user", content: "hi" }] }), (e) => e.status === status && /The prompt is too long/.test(e.message), name);
  }
});

test("an error within an answer, or as its end, is a failure: the next target serves the call", async (t) => {
  const s = await start(t, ["openrouter", "deepseek"]);
  const chunk = (o) => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", ...o })}\n\n`;
  s.say.answer = { raw: { error: { code: 502, message: "Provider returned error" } } };
  await assert.rejects(s.openai.chat.completions.create({ model: "openrouter", messages: [{ role: "user", content: "hi" }] }), (e) => e.status === 502 && /Provider returned error/.test(e.message));
  const failed = { role: "assistant", content: "half" };
  s.say.answer = { raw: { id: "c", model: "m", choices: [{ index: 0, finish_reason: "insufficient_system_resource", message: failed }] } };
  await assert.rejects(s.anthropic.messages.create({ model: "deepseek", max_tokens: 9, messages: [{ role: "user", content: "hi" }] }), (e) => e.status === 502);
  s.say.answer = { events: chunk({ choices: [{ index: 0, delta: { content: "half" }, finish_reason: null }] }) + chunk({ error: { code: 429, message: "Rate limited upstream" }, choices: [{ index: 0, delta: { content: "" }, finish_reason: "error" }] }) };
  await assert.rejects(s.anthropic.messages.stream({ model: "openrouter", max_tokens: 9, messages: [{ role: "user", content: "hi" }] }).finalMessage(), /Rate limited upstream/);
  assert.deepEqual((await records(s.weir, 3)).map((r) => r.outcome), ["failed", "failed", "failed"]);
});
