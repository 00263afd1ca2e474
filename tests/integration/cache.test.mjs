// Answers that are given again (Route spec.cache): the same bytes, at no cost, and never to another call.
import assert from "node:assert/strict";
import { test } from "node:test";
import { agent, budget, CALLER_KEY, chat, records, route, settled, until } from "./lib/setup.mjs";
import { responsesSetting } from "./lib/responses.mjs";

const OTHER_KEY = "weir_sk_other_c4c";
const messages = [{ role: "user", content: "How high is the dam?" }];
const tools = [{ type: "function", function: { name: "level", parameters: { type: "object", properties: {} } } }];

const cached = (t, plan, extra = "  cache: {keepFor: 10m}") => responsesSetting(t, { plan, budgets: budget("money", "{usd: 10}"), extra, more: agent("other", { key: OTHER_KEY }) });

async function ask(s, path, body, headers = {}) {
  const r = await fetch(s.weir.url + path, { method: "POST", body: JSON.stringify(body),
    headers: { "content-type": "application/json", authorization: `Bearer ${CALLER_KEY}`, "anthropic-version": "2023-06-01", ...headers } });
  return { status: r.status, text: await r.text(), type: r.headers.get("content-type"), hit: r.headers.get("x-weir-cache") === "hit" };
}

const reasoned = { toolCall: { name: "level", args: { dam: "Möhne" } }, reasoning: 5, reason: "Hm." };
const calls = {
  "Chat Completions": ["/v1/chat/completions", { model: "to-oa", messages, tools, max_tokens: 50 }],
  Messages: ["/v1/messages", { model: "to-an", messages, tools: [{ name: "level", input_schema: { type: "object" } }], max_tokens: 50 }],
  Responses: ["/v1/responses", { model: "to-re", input: "x", store: false, max_output_tokens: 50 }],
  "Chat Completions at Messages": ["/v1/chat/completions", { model: "to-an", messages, tools, max_tokens: 50 }],
};

for (const [name, [path, body]] of Object.entries(calls))
  for (const stream of [false, true])
    test(`K-01, K-02: ${name}, ${stream ? "streamed" : "whole"}: the second answer has the bytes of the first, reasoning and tools too, and costs nothing`, async (t) => {
      const s = await cached(t, () => reasoned);
      const first = await ask(s, path, { ...body, stream }), again = await ask(s, path, { ...body, stream });
      assert.equal(first.status, 200, first.text);
      assert.deepEqual([first.hit, again.hit], [false, true]);
      assert.equal(again.text, first.text);
      assert.equal(again.type.split(";")[0], first.type.split(";")[0]);
      assert.equal(s.mock.calls.length, 1);
      await settled(s.weir, "money", s.mock.bill);
      const list = await records(s.weir, 2);
      assert.deepEqual(list.map((r) => [r.outcome, r.costNano > 0, r.cached ?? false]), [["ok", false, true], ["ok", true, false]]);
      assert.ok(list[1].provider);
      assert.equal(list[0].provider, list[1].provider);
    });

test("K-03: another agent, model, system, tool, form or beta never gets it", async (t) => {
  const s = await cached(t, () => ({}));
  const [path, body] = calls.Messages;
  const others = [[body, { authorization: `Bearer ${OTHER_KEY}` }], [{ ...body, model: "to-oa" }], [{ ...body, system: "Be brief." }], [{ ...body, tools: [] }], [{ ...body, stream: true }],
    [body, { "anthropic-beta": "x-1" }], [{ ...body, max_tokens: 51 }]];
  await ask(s, path, body);
  for (const [b, h] of others) assert.equal((await ask(s, path, b, h)).hit, false);
  assert.equal(s.mock.calls.length, 1 + others.length);
  assert.equal((await ask(s, path, body)).hit, true);
});

test("a caller gets a new answer with no-cache, and none is kept with no-store", async (t) => {
  const s = await cached(t, (c, n) => ({ tokens: n }));
  const [path, body] = calls["Chat Completions"];
  assert.equal((await ask(s, path, body, { "cache-control": "no-store" })).hit, false);
  const first = await ask(s, path, body);
  assert.equal(first.hit, false);
  const fresh = await ask(s, path, body, { "cache-control": "max-age=0, no-cache" });
  assert.equal(fresh.hit, false);
  const kept = await ask(s, path, body);
  assert.equal(kept.text, fresh.text);
  assert.notEqual(kept.text, first.text);
});

test("what failed, broke off or relies on what the provider keeps is not kept; nor is anything without a cache", async (t) => {
  const plans = [{ status: 400 }, {}];
  const s = await cached(t, (c, n) => plans[n - 1] ?? {});
  const [path, body] = calls["Chat Completions"];
  assert.equal((await ask(s, path, body)).status, 400);
  assert.equal((await ask(s, path, body)).hit, false);
  assert.equal((await ask(s, path, body)).hit, true);
  for (const more of [{ previous_response_id: "resp_1", store: false }, {}, { store: true }])
    for (let i = 0; i < 2; i++) assert.equal((await ask(s, "/v1/responses", { model: "to-re", input: "x", max_output_tokens: 50, ...more })).hit, false);
  const cut = await cached(t, () => ({ cutAfter: 4 }));
  for (let i = 0; i < 2; i++) assert.equal((await ask(cut, path, { ...body, stream: true })).hit, false);
  const plain = await cached(t, () => ({}), "");
  for (let i = 0; i < 2; i++) assert.equal((await ask(plain, path, body)).hit, false);
  assert.match(await plain.weir.metrics(), /^weir_cache_misses_total 0$/m);
});

test("a hit is recorded with its session, and a new policy begins anew", async (t) => {
  const s = await cached(t, () => ({}));
  const [path, body] = calls["Chat Completions"];
  for (const hit of [false, true]) assert.equal((await ask(s, path, body, { "x-weir-session": "s1" })).hit, hit);
  assert.deepEqual((await records(s.weir, 2)).map((r) => r.session), ["s1", "s1"]);
  s.weir.writePolicy(s.policy + budget("further", "{usd: 9}"));
  await until(async () => !(await ask(s, path, body)).hit, "the new policy");
});

test("an answer that is too old is asked for anew", async (t) => {
  const s = await cached(t, () => ({}), "  cache: {keepFor: 1s}");
  const [path, body] = calls["Chat Completions"];
  await ask(s, path, body);
  await until(async () => !(await ask(s, path, body)).hit, "the answer to be too old");
});
