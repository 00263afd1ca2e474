// The vendors' own SDKs through both processes, over TLS to a mock provider that checks what it receives.
import assert from "node:assert/strict";
import { test } from "node:test";
import { budget, chat, clients, records, setting, settled } from "./lib/setup.mjs";

const money = budget("money", "{usd: 10}");
const tools = [{ type: "function", function: { name: "level", description: "Water level", parameters: { type: "object", properties: { dam: { type: "string" } } } } }];
const anthropicTools = [{ name: "level", description: "Water level", input_schema: { type: "object", properties: { dam: { type: "string" } } } }];

test("openai: a plain call answers, is billed to the nano-dollar, and names target, attempts and cost", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: money });
  const { data, response } = await openai.chat.completions.create(chat()).withResponse();
  assert.equal(data.choices[0].message.content, "lor ".repeat(10));
  assert.equal(data.usage.completion_tokens, 10);
  assert.equal(response.headers.get("x-weir-provider"), "oa");
  assert.equal(response.headers.get("x-weir-attempts"), "1");
  assert.equal(response.headers.get("x-weir-cost-usd"), `0.${String(mock.bill).padStart(9, "0")}`);
  await settled(weir, "money", mock.bill);
  assert.deepEqual(mock.problems, []);
});

test("S-07: openai: a stream arrives event by event; usage that Weir asked for stays out of it", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: money });
  const stream = await openai.chat.completions.create(chat({ stream: true }));
  let text = "", usage = 0, finish;
  for await (const c of stream) {
    text += c.choices[0]?.delta.content ?? "";
    finish = c.choices[0]?.finish_reason ?? finish;
    usage += c.usage ? 1 : 0;
  }
  assert.equal(text, "lor ".repeat(10));
  assert.equal(finish, "stop");
  assert.equal(usage, 0);
  assert.equal(mock.calls[0].body.stream_options.include_usage, true);
  await settled(weir, "money", mock.bill);
  assert.deepEqual(mock.problems, []);
});

test("openai: usage that the client itself asked for arrives", async (t) => {
  const { openai } = await setting(t);
  const stream = await openai.chat.completions.create(chat({ stream: true, stream_options: { include_usage: true } }));
  const usages = [];
  for await (const c of stream) if (c.usage) usages.push(c.usage);
  assert.equal(usages.length, 1);
  assert.equal(usages[0].completion_tokens, 10);
});

test("openai: a tool call, whole and streamed, arrives with its id, name and arguments", async (t) => {
  const call = { name: "level", args: { dam: "Möhne", note: 'with "quotes" and ünïcödé' } };
  const { openai, mock } = await setting(t, { plan: () => ({ toolCall: call }) });
  const whole = await openai.chat.completions.create(chat({ tools }));
  const got = whole.choices[0].message.tool_calls[0];
  assert.equal(got.id, "call_1");
  assert.deepEqual(JSON.parse(got.function.arguments), call.args);
  const runner = openai.chat.completions.stream(chat({ tools }));
  const final = await runner.finalChatCompletion();
  assert.deepEqual(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments), call.args);
  assert.deepEqual(mock.calls[0].body.tools, tools);
  assert.deepEqual(mock.problems, []);
});

test("S-18: anthropic: a plain call and a stream answer and are billed to the nano-dollar", async (t) => {
  const { mock, weir, anthropic } = await setting(t, { budgets: money });
  const whole = await anthropic.messages.create(chat());
  assert.equal(whole.content[0].text, "lor ".repeat(10));
  const final = await anthropic.messages.stream(chat()).finalMessage();
  assert.equal(final.content[0].text, "lor ".repeat(10));
  assert.equal(final.usage.output_tokens, 10);
  assert.equal(final.stop_reason, "end_turn");
  await settled(weir, "money", mock.bill);
  assert.deepEqual(mock.problems, []);
});

test("anthropic: a tool call streams with its input, and beta flags and unknown fields pass", async (t) => {
  const call = { name: "level", args: { dam: "Eder" } };
  const { mock, anthropic } = await setting(t, { plan: () => ({ toolCall: call }) });
  const final = await anthropic.messages.stream({ ...chat(), tools: anthropicTools }).finalMessage();
  assert.deepEqual(final.content[0].input, call.args);
  await anthropic.beta.messages.create({ ...chat(), betas: ["some-flag-2026-01-01"], context_management: { edits: [] } });
  assert.equal(mock.calls[1].headers["anthropic-beta"], "some-flag-2026-01-01");
  assert.match(mock.calls[1].path, /^\/v1\/messages/);
  assert.deepEqual(mock.calls[1].body.context_management, { edits: [] });
});

test("anthropic: count_tokens passes through and is not billed", async (t) => {
  const { mock, weir, anthropic } = await setting(t, { budgets: money });
  const n = await anthropic.messages.countTokens({ model: "mock-small", messages: chat().messages });
  assert.ok(n.input_tokens > 0);
  await records(weir, 1);
  await settled(weir, "money", 0);
  assert.equal(mock.bill, 0n);
});

test("S-02, S-03: an abort in the middle of a stream closes the provider's connection, pumps nothing on, and is settled, never zero", async (t) => {
  let release;
  const hold = new Promise((r) => (release = r));
  const { mock, weir, openai, anthropic } = await setting(t, { budgets: money, plan: () => ({ tokens: 50, holdAfter: [6, hold] }) });
  for (const begin of [() => openai.chat.completions.create(chat({ stream: true })), () => anthropic.messages.create(chat({ stream: true }))]) {
    const stream = await begin();
    const call = mock.calls.at(-1);
    for await (const _ of stream) break; // the SDK aborts the request
    await call.closed;
    assert.equal(call.aborted, true);
  }
  release();
  const list = await records(weir, 2);
  for (const r of list) {
    assert.equal(r.outcome, "aborted");
    assert.ok(BigInt(r.costNano) > 0n, JSON.stringify(r));
  }
});

test("errors of the provider keep status, code and message; ours are typed in the client's dialect", async (t) => {
  const body = { error: { message: "no such parameter: frequency", type: "invalid_request_error", code: "unknown_parameter", param: "frequency" } };
  const { weir, openai } = await setting(t, { plan: () => ({ status: 400, body }) });
  await assert.rejects(openai.chat.completions.create(chat()), (e) => e.status === 400 && e.code === "unknown_parameter" && /frequency/.test(e.message));
  const wrong = clients(weir.url, "weir_sk_wrong");
  await assert.rejects(wrong.openai.chat.completions.create(chat()), (e) => e.status === 401 && e.code === "invalid_api_key");
  await assert.rejects(wrong.anthropic.messages.create(chat()), (e) => e.status === 401 && e.error.error.type === "authentication_error");
  assert.equal(weir.proxies.length, 1);
});

test("models are listed in each dialect's shape", async (t) => {
  const { openai, anthropic } = await setting(t, { routeExtra: "  models: [mock-small, mock-large]" });
  const a = (await openai.models.list()).data.map((m) => m.id);
  assert.deepEqual(a.sort(), ["mock-large", "mock-small"]);
  const b = [];
  for await (const m of anthropic.models.list()) b.push(m.id);
  assert.deepEqual(b.sort(), ["mock-large", "mock-small"]);
  assert.equal((await openai.models.retrieve("mock-small")).id, "mock-small");
});

test("a list of models is given in pages, forwards and backwards, to a client of Anthropic's that asks so", async (t) => {
  const { anthropic } = await setting(t, { routeExtra: "  models: [mock-a, mock-b, mock-c]\n  aliases: {haiku: mock-a}" });
  const all = (await anthropic.models.list({ limit: 1000 })).data.map((m) => m.id), paged = [];
  assert.deepEqual([...all].sort(), ["haiku", "mock-a", "mock-b", "mock-c"]);
  const page = await anthropic.models.list({ limit: 2 });
  assert.deepEqual([page.data.length, page.has_more, page.last_id], [2, true, all[1]]);
  for await (const m of page) paged.push(m.id);
  assert.deepEqual(paged, all);
  const back = await anthropic.models.list({ limit: 2, before_id: all[3] });
  assert.deepEqual([back.data.map((m) => m.id), back.has_more], [all.slice(1, 3), true]);
  await assert.rejects(anthropic.models.list({ after_id: "gone" }), (e) => e.status === 400 && /after_id/.test(e.message));
  await assert.rejects(anthropic.models.list({ limit: 0 }), (e) => e.status === 400 && /limit/.test(e.message));
});

test("HEAD / and HEAD /api/hello are answered with 200, without a key and without a record", async (t) => {
  const { openai, weir } = await setting(t);
  for (const path of ["/", "/api/hello"]) {
    const r = await fetch(weir.url + path, { method: "HEAD" });
    assert.deepEqual([path, r.status, await r.text()], [path, 200, ""]);
  }
  await openai.chat.completions.create(chat());
  assert.equal((await records(weir, 1)).length, 1);
});
