// What a call costs beside its tokens of text: searches of the web, audio; and prices that begin on a day. Hand-calculated, to the nano-dollar. Cases B-16, T-20.
import assert from "node:assert/strict";
import { test } from "node:test";
import { budget, chat, records, setting, settled } from "./lib/setup.mjs";

// Of this provider, so before the list that all tests share.
const list = (entries) => `
apiVersion: weir.dev/v1alpha1
kind: PriceList
metadata: {name: fees}
spec:
  prices:
${entries.map((e) => `    - ${e}`).join("\n")}
---`;
const searching = list(['{model: mock-small, provider: an, input: 1, output: 2, webSearch: 0.01, webSearchMost: 4, maxOutputTokens: 1000}',
  '{model: mock-small, provider: oa, input: 1, output: 2, cacheRead: 0.5, audioInput: 40, audioOutput: 80, maxOutputTokens: 1000}']);
const money = (usd) => budget("money", `{usd: ${usd}}`);
const search = (more = {}) => ({ tools: [{ type: "web_search_20250305", name: "web_search", ...more }] });

const usage = { input_tokens: 20, output_tokens: 7, server_tool_use: { web_search_requests: 3, web_fetch_requests: 9 } };
const message = { id: "m", type: "message", role: "assistant", model: "mock-small", content: [{ type: "text", text: "x" }], stop_reason: "end_turn", stop_sequence: null, usage };
const sse = (type, data) => ({ text: `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n` });
const stream = [sse("message_start", { message: { ...message, content: [], stop_reason: null, usage: { input_tokens: 20, output_tokens: 1, server_tool_use: { web_search_requests: 1 } } } }),
  sse("content_block_start", { index: 0, content_block: { type: "text", text: "" } }), sse("content_block_delta", { index: 0, delta: { type: "text_delta", text: "high" } }),
  sse("content_block_stop", { index: 0 }), sse("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage }), sse("message_stop", {})];
const SEARCHED = 20n * 1000n + 7n * 2000n + 3n * 10_000_000n;

for (const [how, plan, extra] of [["a document", { body: message }, {}], ["a stream, in which they are told twice", { events: stream }, { stream: true }]])
  test(`B-16: searches of the web are charged each, by what the answer tells: ${how}`, async (t) => {
    const s = await setting(t, { plan: () => plan, budgets: money(1), more: searching });
    const r = await s.anthropic.messages.create(chat({ ...search(), ...extra }));
    if (extra.stream) for await (const _ of r);
    const [record] = await records(s.weir, 1);
    assert.equal(BigInt(record.costNano), SEARCHED);
    const full = await s.weir.api(`/calls/${record.requestId}`);
    assert.deepEqual(full.costParts.find((p) => p.kind === "webSearch"), { kind: "webSearch", tokens: 3, price: 10_000_000 });
    await settled(s.weir, "money", SEARCHED);
  });

test("a hard budget holds the searches that a call may make: as its tool states, or as the price list assumes", async (t) => {
  const s = await setting(t, { plan: () => ({ body: message }), budgets: money(0.035), more: searching });
  const outcome = (call) => s.anthropic.messages.create(call).then(() => "ok", (e) => e.status);
  assert.equal(await outcome(chat(search())), 402); // four, by the list
  assert.equal(await outcome(chat(search({ max_uses: 5 }))), 402);
  assert.equal(s.mock.calls.length, 0);
  assert.equal(await outcome(chat(search({ max_uses: 3 }))), "ok");
  await settled(s.weir, "money", SEARCHED);
});

test("T-20: audio in Chat Completions' usage is charged at its own rate, and once", async (t) => {
  const told = { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150, prompt_tokens_details: { cached_tokens: 20, audio_tokens: 30 }, completion_tokens_details: { reasoning_tokens: 5, audio_tokens: 40 } };
  const body = { id: "c", object: "chat.completion", created: 1, model: "mock-small", choices: [{ index: 0, message: { role: "assistant", content: "x" }, finish_reason: "stop" }], usage: told };
  const s = await setting(t, { plan: () => ({ body }), budgets: money(1), more: searching });
  await s.openai.chat.completions.create(chat());
  const cost = 50n * 1000n + 20n * 500n + 30n * 40_000n + 10n * 2000n + 40n * 80_000n;
  assert.equal(BigInt((await records(s.weir, 1))[0].costNano), cost);
  await settled(s.weir, "money", cost);
});

test("a price holds from its day on", async (t) => {
  const entry = (input, from) => `{model: mock-small, provider: oa, input: ${input}, output: 0, from: "${from}"}`;
  const s = await setting(t, { budgets: money(1), more: list([entry(1, "2000-01-01"), entry(3, "2001-01-01"), entry(100, "2999-01-01")]) });
  await s.openai.chat.completions.create(chat());
  const [record] = await records(s.weir, 1);
  assert.equal(BigInt(record.costNano), BigInt(record.usage.inputTokens) * 3000n);
});
