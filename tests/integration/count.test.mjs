// Requests that ask how many tokens a call would bring, where the provider has another API.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CALLER_KEY, budget, route, setting, settled } from "./lib/setup.mjs";

const money = budget("money", "{usd: 10}");
const to = (name, provider) => route(name, [[{ provider, model: "mock-small" }]], `  models: [${name}]\n`);
const start = (t) => setting(t, { budgets: money, more: to("to-an", "an") + to("to-oa", "oa") });
const words = "How high is the dam? ".repeat(40);

const asks = {
  "Anthropic's": ["/v1/messages/count_tokens", { model: "to-oa", messages: [{ role: "user", content: words }] }, (a) => a.input_tokens],
  "OpenAI's Responses": ["/v1/responses/input_tokens", { model: "to-an", input: words }, (a) => (a.object === "response.input_tokens" ? a.input_tokens : NaN)],
  "Gemini's": ["/v1beta/models/to-oa:countTokens", { contents: [{ role: "user", parts: [{ text: words }] }] }, (a) => a.totalTokens],
  "Bedrock's": ["/model/to-an/count-tokens", { input: { converse: { messages: [{ role: "user", content: [{ text: words }] }] } } }, (a) => a.inputTokens],
};

for (const [whose, [path, body, tokens]] of Object.entries(asks))
  test(`a count in ${whose} shape towards a provider of another API is an estimate of Weir's, free, and never sent`, async (t) => {
    const { mock, weir } = await start(t);
    const r = await fetch(`${weir.url}${path}`, { method: "POST", body: JSON.stringify(body),
      headers: { "content-type": "application/json", authorization: `Bearer ${CALLER_KEY}` } });
    const answer = await r.json();
    assert.equal(r.status, 200, JSON.stringify(answer));
    assert.equal(r.headers.get("x-weir-count"), "estimate");
    const n = tokens(answer);
    assert.ok(n >= words.length / 5 && n <= words.length, `${n} tokens for ${words.length} bytes`);
    assert.equal(mock.calls.length, 0);
    await settled(weir, "money", 0n);
  });

test("26 counts at once, as Claude Code asks for its tools, are all answered", async (t) => {
  const { anthropic, mock } = await start(t);
  const all = await Promise.all(Array.from({ length: 26 }, (_, i) =>
    anthropic.messages.countTokens({ model: "to-oa", messages: [{ role: "user", content: `tool ${i}` }] })));
  assert.ok(all.every((a) => a.input_tokens > 0));
  assert.equal(mock.calls.length, 0);
});

test("a route that translates nothing has no count for another API, as it has no call", async (t) => {
  const { anthropic } = await setting(t, { more: route("own", [[{ provider: "oa", model: "mock-small" }]], "  models: [own]\n  translation: none\n") });
  await assert.rejects(anthropic.messages.countTokens({ model: "own", messages: [{ role: "user", content: "hi" }] }), (e) => e.status === 404);
});
