// Calls for a whole answer that go to their provider as a stream (Route spec.wholeAsStream): they hold in pieces, and are cut where a
// budget ends. That every SDK gets the same answer is in pairs.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { budget, chat, records, route, setting, settled, until } from "./lib/setup.mjs";

const gathered = "  wholeAsStream: true";
const plain = { reasoning_effort: "none" }; // nothing hidden is billed, so its hold can grow in pieces
const outcome = (p) => p.then((r) => r, (e) => e);

const start = (t, options) => setting(t, { routeExtra: gathered, ...options });

test("a whole answer is cut where the budget ends: it says so, ends as one that was too long, and is billed to the token", async (t) => {
  const { mock, weir, openai, anthropic } = await start(t, { budgets: budget("money", "{usd: 0.004}"), plan: () => ({ tokens: 20_000, split: 4000 }) });
  const ask = (n) => ({ ...chat(), max_tokens: n, model: "mock-small" });
  const one = await openai.chat.completions.create({ ...ask(900_000), ...plain });
  assert.equal(one.choices[0].finish_reason, "length");
  assert.match(one.choices[0].message.content, /^(lor )+.*budget/s);
  assert.ok(one.usage.completion_tokens >= 1000, `${one.usage.completion_tokens}`);
  await until(() => mock.calls[0].aborted, "the provider's connection to be closed");
  const [r] = await records(weir, 1);
  assert.deepEqual([r.outcome, r.stream ?? false], ["cut", false]);
  const spent = (await settled(weir, "money", r.costNano)).value;
  assert.ok(spent > 600_000n && spent <= 4_000_000n, `${spent}`);
  const late = await outcome(anthropic.messages.create({ ...ask(900_000), thinking: { type: "disabled" } }, { timeout: 60_000 }));
  assert.ok(late.status === 402 || late.stop_reason === "max_tokens", `${late}`);
  assert.deepEqual(mock.problems, []);
});

test("a tool call that is not whole when the answer is cut is left out of it", async (t) => {
  const text = "x".repeat(60_000);
  const { openai } = await start(t, { budgets: budget("money", "{usd: 0.004}"), plan: () => ({ toolCall: { name: "level", args: { of: text } }, split: 2000 }) });
  const tools = [{ type: "function", function: { name: "level", parameters: { type: "object" } } }];
  const one = await openai.chat.completions.create({ ...chat(), max_tokens: 900_000, tools, ...plain });
  assert.equal(one.choices[0].finish_reason, "length");
  assert.equal(one.choices[0].message.tool_calls, undefined);
});

test("without the option the same call is refused, for its worst case can't be held", async (t) => {
  const { mock, openai } = await setting(t, { budgets: budget("money", "{usd: 0.004}") });
  assert.equal((await outcome(openai.chat.completions.create({ ...chat(), max_tokens: 900_000, ...plain }))).status, 402);
  assert.equal(mock.calls.length, 0);
});

test("calls whose answers could lose something go as they are: several choices, fields that Weir doesn't know, answers that are kept", async (t) => {
  const { mock, openai } = await start(t, { plan: (c) => ({ body: c.body.input ? { id: "resp_1", object: "response", status: "completed", model: "mock-small", output: [], usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 } } : undefined }) });
  await openai.chat.completions.create({ ...chat(), n: 2 });
  await openai.chat.completions.create({ ...chat(), logprobs: true });
  await openai.chat.completions.create({ ...chat(), stream: false });
  assert.deepEqual(mock.calls.map((c) => c.body.stream ?? false), [false, false, true]);
  assert.deepEqual(mock.calls[2].body.stream_options, { include_usage: true });
});

test("a stream that fails in the middle is tried at the next target, for the client has had nothing", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("money", "{usd: 1}"), plan: (c, n) => (n === 1 ? { cutAfter: 4 } : {}), more: route("two", [["oa"], [{ provider: "an", model: "mock-small" }]], `  models: [mock-small]\n  priority: 9\n${gathered}`) });
  const one = await openai.chat.completions.create(chat());
  assert.equal(one.choices[0].message.content, "lor ".repeat(10));
  assert.deepEqual(mock.calls.map((c) => c.path), ["/v1/chat/completions", "/v1/messages"]);
  const [r] = await records(weir, 1);
  const { attempts } = await weir.api(`/calls/${r.requestId}`);
  assert.deepEqual(attempts.map((a) => !!a.error), [true, false]);
  assert.ok(BigInt(attempts[0].costNano ?? 0) > 0n, "what was generated in vain is billed");
  await settled(weir, "money", r.costNano);
});

test("a provider that answers with a document all the same is passed on as it is", async (t) => {
  const { openai } = await start(t, { plan: () => ({ document: true }) });
  assert.equal((await openai.chat.completions.create(chat())).choices[0].message.content, "lor ".repeat(10));
});

test("a kept answer is the document: streams and whole calls don't get each other's", async (t) => {
  const { mock, openai } = await setting(t, { routeExtra: `${gathered}\n  cache: {}` });
  const read = async () => { let text = ""; for await (const c of await openai.chat.completions.create({ ...chat(), stream: true })) text += c.choices[0]?.delta.content ?? ""; return text; };
  for (let i = 0; i < 2; i++) {
    assert.equal((await openai.chat.completions.create(chat())).choices[0].message.content, "lor ".repeat(10));
    assert.equal(await read(), "lor ".repeat(10));
  }
  assert.equal(mock.calls.length, 2);
});
