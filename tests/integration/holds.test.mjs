// What is held before and while a call runs: an output limit that binds the provider, reasoning that is billed unseen, answers in
// another form than was asked for, and every attempt for itself. Cases B-10, B-24, S-15.
import assert from "node:assert/strict";
import { test } from "node:test";
import { budget, chat, provider, records, route, setting, settled, testTls, until } from "./lib/setup.mjs";

const outcome = (p) => p.then(() => "ok", (e) => e);
const drain = async (stream) => { for await (const _ of stream); };
const { max_tokens, ...unlimited } = chat();

test("B-24: where a hard budget relies on the output's limit, the provider is told it; the answer says so", async (t) => {
  const { mock, openai } = await setting(t, { budgets: budget("money", "{usd: 1}") });
  const { response } = await openai.chat.completions.create(unlimited).withResponse();
  assert.equal(mock.calls[0].body.max_tokens, 1000); // the price list's; a server that isn't the vendor's own knows this name
  assert.equal(response.headers.get("x-weir-output-limit"), "1000");
  await openai.chat.completions.create({ ...unlimited, max_completion_tokens: 7 });
  assert.equal(mock.calls[1].body.max_completion_tokens, 7);
  assert.equal(mock.calls[1].body.max_tokens, undefined);
  assert.deepEqual(mock.problems, []);
});

for (const [name, limit, extra] of [["a soft budget", "{usd: 1}", "  mode: soft"], ["a budget of requests", "{requests: 9}", ""]])
  test(`B-24: ${name} adds no limit`, async (t) => {
    const { mock, openai } = await setting(t, { budgets: budget("b", limit, { extra }) });
    const { response } = await openai.chat.completions.create(unlimited).withResponse();
    assert.equal(mock.calls[0].body.max_tokens, undefined);
    assert.equal(response.headers.get("x-weir-output-limit"), null);
  });

test("answers without a limit of the caller's can't overspend a hard budget, however long they are", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("money", "{usd: 0.002}"), plan: (c) => ({ tokens: c.body.max_tokens ?? 100_000 }) });
  const results = await Promise.all(Array.from({ length: 12 }, (_, i) => outcome(i % 2 ? openai.chat.completions.create(unlimited) : openai.chat.completions.create({ ...unlimited, stream: true, reasoning_effort: "none" }).then(drain))));
  assert.ok(results.some((r) => r.status === 402));
  assert.ok(mock.bill <= 2_000_000n, `${mock.bill}`);
  await settled(weir, "money", mock.bill);
});

test("reasoning that is billed but never shown is held before a stream begins, so it can't overspend", async (t) => {
  const { mock, weir, openai, anthropic } = await setting(t, { budgets: budget("money", "{usd: 0.02}"), plan: () => ({ reasoning: 7000 }) });
  const call = chat({ stream: true, max_tokens: 8000 });
  const results = await Promise.all(Array.from({ length: 10 }, (_, i) => outcome((i % 2 ? openai.chat.completions : anthropic.messages).create(call).then(drain))));
  assert.equal(results.filter((r) => r === "ok").length, 4); // each holds 0.0048 dollars and something for its input
  assert.ok(mock.bill <= 20_000_000n, `${mock.bill}`);
  await settled(weir, "money", mock.bill);
});

test("a model that is declared to show all that it bills is held in pieces", async (t) => {
  const files = testTls();
  const { mock, openai } = await setting(t, { budgets: budget("money", "{usd: 0.003}"), plan: () => ({ tokens: 50 }) });
  const call = chat({ stream: true, max_tokens: 30_000, model: "plain" });
  assert.equal((await outcome(openai.chat.completions.create(call))).status, 402);
  const second = await setting(t, {
    budgets: budget("money", "{usd: 0.003}"), plan: () => ({ tokens: 50 }),
    more: provider("plain", "openai", mock.url, { caFile: files.caFile, extra: "  models: [{name: plain, upstream: mock-small, hiddenReasoning: false}]" })
      + route("plain", [["plain"]], "  models: [plain]"),
  });
  assert.equal(await outcome(second.openai.chat.completions.create(call).then(drain)), "ok");
});

test("a document where a stream was asked for is held whole as soon as it begins, and settled by its usage", async (t) => {
  let release;
  const held = new Promise((r) => (release = r));
  const { mock, weir, openai } = await setting(t, { budgets: budget("money", "{usd: 0.02}"), plan: () => ({ document: true, tokens: 9000, holdAfter: [0, held] }) });
  const answer = openai.chat.completions.create(chat({ stream: true, max_tokens: 9000, reasoning_effort: "none" })).asResponse();
  await until(async () => { const i = (await weir.api("/budgets")).items[0]; assert.ok(i.committed >= 5_400_000, JSON.stringify(i)); return true; }, "its whole worst case to be lent");
  release();
  assert.equal((await (await answer).json()).usage.completion_tokens, 9000);
  await settled(weir, "money", mock.bill);
});

const strict = "  onUsageMissing: chargeHold";

test("B-10: an attempt that may be billed stays held while the next one runs; without room for both there is none", async (t) => {
  // One attempt holds its input's bound and 1,000 tokens of output: a little over 0.0006 dollars.
  const { mock, weir, openai } = await setting(t, { budgets: budget("money", "{usd: 0.001}", { extra: strict }), plan: () => ({ status: "reset", bills: true, tokens: 1000 }) });
  const e = await outcome(openai.chat.completions.create(chat({ max_tokens: 1000 })));
  assert.equal(e.status, 402);
  assert.equal(mock.calls.length, 1);
  const { value } = await settled(weir, "money");
  await until(async () => (await settled(weir, "money")).value >= mock.bill, "the attempt to be settled");
  assert.ok(value <= 1_000_000n);
});

test("S-15: each attempt is settled for itself: what failed unanswered at its worst case if the budget wants that, what answered by its usage", async (t) => {
  const { mock, weir, openai } = await setting(t, {
    budgets: budget("money", "{usd: 1}", { extra: strict }) + budget("guess", "{usd: 1}") + budget("calls", "{requests: 10}"),
    plan: (c, n) => (n === 1 ? { status: "reset", bills: true, tokens: 100 } : { tokens: 20 }),
  });
  const { response } = await openai.chat.completions.create(chat()).withResponse();
  assert.equal(response.headers.get("x-weir-attempts"), "2");
  await settled(weir, "calls", 1);
  const { value } = await until(async () => {
    const s = await settled(weir, "money");
    assert.ok(s.value > 0n);
    return s;
  }, "the call to be settled");
  assert.ok(value >= mock.bill, `${value} for ${mock.bill}`);
  const [record] = await records(weir, 1);
  const guess = await settled(weir, "guess", record.costNano);
  assert.ok(guess.value < value);
  const call = await weir.api(`/calls/${record.id}`);
  const parts = call.costParts ?? call.cost?.parts;
  assert.equal(call.attempts.reduce((n, a) => n + BigInt(a.costNano ?? 0), 0n), BigInt(record.costNano), JSON.stringify(call));
  assert.ok(parts.length > 0);
});
