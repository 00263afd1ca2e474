// Cohere as a provider, beside the pairs that every client's SDK has with it: reranking by search units, failures with status 200, and
// what a stream that is cut leaves behind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CALLER_KEY, budget, chat, provider, records, route, setting, settled } from "./lib/setup.mjs";
import { answers } from "./lib/answers.mjs";
import { CohereMock } from "./lib/cohere.mjs";

const prices = `
apiVersion: weir.dev/v1alpha1
kind: PriceList
metadata: {name: units}
spec:
  prices:
    - {model: rank-1, request: 0.002}
---`;

async function start(t, { plan, budgets = budget("money", "{usd: 10}"), extra = "" } = {}) {
  const cohere = await new CohereMock({ plan }).start();
  t.after(() => cohere.stop());
  const to = (name, model) => route(name, [[{ provider: "co", model }]], `  models: [${name}]\n`);
  const s = await setting(t, { budgets, more: prices + provider("co", "cohere", cohere.url, { extra }) + to("co", "mock-small") + to("rank", "rank-1") });
  const rerank = (path, body) => fetch(`${s.weir.url}${path}`, { method: "POST", headers: { authorization: `Bearer ${CALLER_KEY}`, "content-type": "application/json" }, body: JSON.stringify({ model: "rank", query: "dam", ...body }) });
  return { ...s, cohere, rerank };
}

test("reranking reaches Cohere's own path from either one, and is billed by the search units that its answer tells", async (t) => {
  const { cohere, rerank, weir } = await start(t);
  const first = await rerank("/v1/rerank", { documents: ["a", "b", "c"], top_n: 2 });
  assert.deepEqual((await first.json()).results.map((r) => r.index), [0, 1]);
  assert.deepEqual(cohere.calls[0].body, { model: "rank-1", query: "dam", documents: ["a", "b", "c"], top_n: 2 });
  const many = await rerank("/v2/rerank", { documents: Array.from({ length: 201 }, () => "x".repeat(400)) });
  assert.equal((await many.json()).results.length, 201);
  assert.deepEqual(cohere.calls.map((c) => c.path), ["/v2/rerank", "/v2/rerank"]);
  await settled(weir, "money", 8_000_000n); // one unit, and three
  assert.deepEqual((await records(weir, 2)).map((r) => r.operation), ["rerank", "rerank"]);
  assert.deepEqual(cohere.problems, []);
});

test("reranking that a hard budget can't pay at its worst is refused before it leaves", async (t) => {
  const { cohere, rerank } = await start(t, { budgets: budget("money", "{usd: 0.005}") });
  assert.equal((await rerank("/v1/rerank", { documents: Array.from({ length: 300 }, () => "a") })).status, 402);
  assert.equal((await rerank("/v1/rerank", { documents: ["a"] })).status, 200);
  assert.equal(cohere.calls.length, 1);
});

test("a generation that failed is an error for the caller, whole and in a stream", async (t) => {
  const failed = (c) => (c.body.stream
    ? { events: ['data: {"type":"message-start","id":"c"}\n\n', 'data: {"type":"message-end","delta":{"finish_reason":"ERROR","error":"no room left"}}\n\n'] }
    : { body: { id: "c", finish_reason: "ERROR", message: { role: "assistant", content: [] } } });
  const { openai, anthropic } = await start(t, { plan: failed });
  await assert.rejects(openai.chat.completions.create(chat({ model: "co" })), (e) => e.status === 502);
  await assert.rejects(async () => {
    for await (const c of await openai.chat.completions.create(chat({ model: "co", stream: true }))) assert.ok(c.choices);
  }, /no room left/);
  await assert.rejects(anthropic.messages.stream(chat({ model: "co" })).finalMessage(), /no room left/);
});

test("a stream of Cohere's is cut where the budget ends, and the caller's SDK reads it to its end", async (t) => {
  const plan = () => answers.cohere({ text: "lor ".repeat(5000), finish: "stop" }, true, 0);
  const { anthropic, weir } = await start(t, { plan, budgets: budget("money", "{usd: 0.0015}"), extra: "  models: [{name: mock-small, hiddenReasoning: false}, {name: rank-1}]\n" });
  const message = await anthropic.messages.stream(chat({ model: "co", max_tokens: 2600 })).finalMessage();
  assert.equal(message.stop_reason, "max_tokens");
  assert.ok(message.content[0].text.startsWith("lor lor "));
  assert.equal((await records(weir, 1))[0].outcome, "cut");
});
