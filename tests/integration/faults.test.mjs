// Faults that users of other gateways met, by the numbers of the acceptance list: translation (T), streams (S), failover (F), budgets (B).
import assert from "node:assert/strict";
import { test } from "node:test";
import { agent, budget, CALLER_KEY, chat, Mock, prices, provider, records, route, settled, setting, until, Weir } from "./lib/setup.mjs";
import { responsesSetting, ResponsesMock } from "./lib/responses.mjs";
import { geminiSetting } from "./lib/gemini.mjs";

const money = budget("money", "{usd: 10}");
const tool = { name: "level", args: { dam: "Möhne", of: [1, 2, { deep: "\"quoted\"" }] } };
const schema = { type: "object", properties: { dam: { type: "string" } } };
const anthropicTools = [{ name: "level", input_schema: schema }];
const chatTools = [{ type: "function", function: { name: "level", parameters: schema } }];
const messages = [{ role: "user", content: "How high is the dam?" }];
const ask = (model, extra = {}) => ({ model, max_tokens: 1000, messages, ...extra });

const chunk = (delta, finish_reason = null, rest = {}) => ({ text: `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 1, model: "mock-small", choices: [{ index: 0, delta, finish_reason }], ...rest })}\n\n` });
const usageChunk = (usage) => ({ text: `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 1, model: "mock-small", choices: [], usage })}\n\n` });
const done = { text: "data: [DONE]\n\n" };
const sse = (type, o) => ({ text: `event: ${type}\ndata: ${JSON.stringify({ type, ...o })}\n\n` });
const call = (index, rest) => ({ tool_calls: [{ index, ...rest }] });

// Providers oa (chat), an (messages), re (responses), a model to-NAME for each, all at one mock.
const all = (t, plan, rest = {}) => responsesSetting(t, { budgets: money, plan, ...rest });

// The events of a stream as they stand on the wire.
async function wire(url, path, body, headers = {}) {
  const r = await fetch(url + path, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${CALLER_KEY}`, "anthropic-version": "2023-06-01", ...headers }, body: JSON.stringify({ stream: true, ...body }) });
  const text = await r.text();
  assert.equal(r.status, 200, text);
  return text.split(/\r?\n\r?\n/).map((f) => f.match(/^data: ?(.*)$/m)?.[1]).filter((d) => d && d !== "[DONE]").map((d) => JSON.parse(d));
}
const messagesWire = (s, model, extra) => wire(s.weir.url, "/v1/messages", ask(model, extra));
const chatWire = (s, model, extra) => wire(s.weir.url, "/v1/chat/completions", ask(model, extra));

// What a Messages stream says, checked for its order: blocks one after the other, no delta outside of its block.
function blocks(events) {
  const list = [];
  let open = null;
  for (const e of events) {
    if (e.type === "content_block_start") {
      assert.equal(open, null, "a block begins while another is open");
      assert.equal(e.index, list.length, "indexes are dense and rise");
      open = { ...e.content_block, deltas: 0, json: "" };
      list.push(open);
    } else if (e.type === "content_block_delta") {
      assert.ok(open && e.index === list.length - 1, "a delta belongs to the open block");
      open.deltas++;
      open.text = (open.text ?? "") + (e.delta.text ?? "");
      open.json += e.delta.partial_json ?? "";
    } else if (e.type === "content_block_stop") {
      assert.equal(e.index, list.length - 1);
      open = null;
    }
  }
  assert.equal(open, null, "every block ends");
  return list;
}

for (const source of ["to-oa", "to-re"])
  test(`T-01: a tool's arguments reach a Messages stream whole from ${source === "to-oa" ? "Chat Completions" : "Responses"}`, async (t) => {
    const s = await all(t, () => ({ toolCall: tool, split: 3 }));
    const use = blocks(await messagesWire(s, source, { tools: anthropicTools })).find((b) => b.type === "tool_use");
    assert.ok(use.deltas >= 1);
    assert.deepEqual(JSON.parse(use.json), tool.args);
    await settled(s.weir, "money", s.mock.bill);
  });

test("T-01: a tool's arguments reach a Messages stream whole from Gemini", async (t) => {
  const s = await geminiSetting(t, { gemini: () => ({ parts: [{ functionCall: { name: tool.name, args: tool.args } }], split: 3 }) });
  const use = blocks(await messagesWire(s, "to-go", { tools: anthropicTools })).find((b) => b.type === "tool_use");
  assert.ok(use.deltas >= 1);
  assert.deepEqual(JSON.parse(use.json), tool.args);
});

test("T-02: an empty list of tool calls beside a text is no tool", async (t) => {
  const events = [chunk({ role: "assistant", content: "Eder", tool_calls: [] }), chunk({ content: "see", tool_calls: [] }), chunk({}, "stop"), done];
  const s = await all(t, () => ({ events }));
  const list = blocks(await messagesWire(s, "to-oa"));
  assert.deepEqual(list.map((b) => [b.type, b.text]), [["text", "Edersee"]]);
});

test("T-03, T-17: a text and a tool in one chunk are two blocks, in this order", async (t) => {
  const events = [chunk({ role: "assistant", content: "Wait.", ...call(0, { id: "call_a", type: "function", function: { name: "level", arguments: '{"a":1}' } }) }), chunk({}, "tool_calls"), done];
  const s = await all(t, () => ({ events }));
  const list = blocks(await messagesWire(s, "to-oa", { tools: anthropicTools }));
  assert.deepEqual(list.map((b) => [b.type, b.name, b.type === "text" ? b.text : b.json]), [["text", undefined, "Wait."], ["tool_use", "level", '{"a":1}']]);
});

for (const where of ["response.function_call_arguments.done", "response.output_item.done"])
  test(`T-05: arguments that a Responses provider tells in ${where} only are not lost`, async (t) => {
    const item = { id: "fc_1", type: "function_call", call_id: "call_1", name: "level", status: "in_progress", arguments: "" };
    const args = JSON.stringify(tool.args), response = { id: "resp_1", object: "response", created_at: 1, model: "mock-small", status: "in_progress", output: [] };
    const whole = { ...item, status: "completed", arguments: args };
    const events = [sse("response.created", { response }), sse("response.output_item.added", { output_index: 0, item }),
      ...(where.includes("arguments") ? [sse(where, { item_id: "fc_1", output_index: 0, arguments: args })] : []),
      sse("response.output_item.done", { output_index: 0, item: where.includes("arguments") ? { ...whole, arguments: args } : whole }),
      sse("response.completed", { response: { ...response, status: "completed", output: [whole], usage: { input_tokens: 5, output_tokens: 3, total_tokens: 8 } } })];
    const s = await all(t, () => ({ events }));
    assert.deepEqual(JSON.parse(blocks(await messagesWire(s, "to-re", { tools: anthropicTools }))[0].json), tool.args);
    const said = await s.openai.chat.completions.stream(ask("to-re", { tools: chatTools })).finalChatCompletion();
    assert.deepEqual(JSON.parse(said.choices[0].message.tool_calls[0].function.arguments), tool.args);
  });

test("T-09: a tool call of 100 KB in deltas of one byte, with empty ones among them, arrives whole in every dialect", async (t) => {
  const args = JSON.stringify({ text: "ö\\\"x".repeat(20_000) });
  const pieces = [...args].flatMap((c, i) => (i % 97 ? [c] : ["", c]));
  const events = [chunk({ role: "assistant", content: null, ...call(0, { id: "call_a", type: "function", function: { name: "level", arguments: "" } }) }),
    ...pieces.map((p) => chunk(call(0, { function: { arguments: p } }))), chunk({}, "tool_calls"), done];
  const s = await all(t, () => ({ events }));
  assert.equal(blocks(await messagesWire(s, "to-oa", { tools: anthropicTools }))[0].json, args);
  const same = await s.openai.chat.completions.stream(ask("to-oa", { tools: chatTools })).finalChatCompletion();
  assert.equal(same.choices[0].message.tool_calls[0].function.arguments, args);
  const items = await s.openai.responses.stream({ model: "to-oa", input: "x", tools: [{ type: "function", name: "level", parameters: schema, strict: false }] }).finalResponse();
  assert.equal(items.output[0].arguments, args);
});

test("T-12, T-13: a Responses stream that is translated has ids, models and items as Codex reads them, and its end holds them all", async (t) => {
  const s = await all(t, () => ({ toolCall: tool }));
  const list = await wire(s.weir.url, "/v1/responses", { model: "to-an", input: "x", tools: [{ type: "function", name: "level", parameters: schema, strict: false }] });
  assert.deepEqual(list.map((e) => e.sequence_number), list.map((_, i) => i));
  assert.equal(list[0].type, "response.created");
  for (const e of list.filter((x) => x.response)) {
    assert.match(e.response.id, /./);
    assert.equal(e.response.object, "response");
    assert.match(e.response.model, /./);
  }
  const finished = list.filter((e) => e.type === "response.output_item.done").map((e) => e.item);
  const end = list.at(-1);
  assert.equal(end.type, "response.completed");
  assert.deepEqual(end.response.output, finished);
  assert.deepEqual(JSON.parse(end.response.output[0].arguments), tool.args);
  assert.ok(end.response.output[0].call_id && end.response.usage.output_tokens > 0);
});

test("T-14: nothing is asked of a provider that the caller did not ask", async (t) => {
  const s = await all(t);
  const body = { model: "to-an", max_tokens: 10, messages, thinking: { type: "disabled" } };
  await s.anthropic.messages.create(body);
  assert.deepEqual(s.mock.calls[0].body, { ...body, model: "mock-small" });
  await s.openai.chat.completions.create({ model: "to-an", messages, max_tokens: 10 });
  assert.deepEqual(Object.keys(s.mock.calls[1].body).sort(), ["max_tokens", "messages", "model"]);
  await s.openai.responses.create({ model: "to-oa", input: "x", max_output_tokens: 20 });
  assert.deepEqual(Object.keys(s.mock.calls[2].body).sort(), ["max_tokens", "messages", "model"]);
});

test("T-16: no thinking budget below what Anthropic takes is made up, and the provider's refusal of the caller's own passes", async (t) => {
  const s = await all(t, (c) => (c.body.thinking?.budget_tokens < 1024 ? { status: 400, body: { type: "error", error: { type: "invalid_request_error", message: "thinking.budget_tokens: at least 1024" } } } : {}));
  for (const reasoning_effort of ["minimal", "low", "high"]) await s.openai.chat.completions.create(ask("to-an", { reasoning_effort }));
  await assert.rejects(s.anthropic.messages.create(ask("to-an", { thinking: { type: "enabled", budget_tokens: 500 } })), (e) => e.status === 400 && /at least 1024/.test(e.message));
});

test("T-22: a chat stream tells a tool's id and name with its first piece and its index with all", async (t) => {
  const s = await all(t, () => ({ toolCall: tool }));
  const pieces = (await chatWire(s, "to-an", { tools: chatTools })).flatMap((e) => e.choices[0]?.delta.tool_calls ?? []);
  assert.ok(pieces.length > 1);
  assert.ok(pieces[0].id && pieces[0].function.name === "level");
  assert.ok(pieces.every((p) => p.index === 0));
  assert.ok(pieces.slice(1).every((p) => p.id === undefined && p.function.name === undefined));
  assert.deepEqual(JSON.parse(pieces.map((p) => p.function.arguments).join("")), tool.args);
});

// One call whose provider tells `events` or `body`; what the record says of it.
async function counted(t, model, { events, body }) {
  const s = await all(t, () => ({ events, body }));
  const stream = !!events;
  if (model === "to-an") await s.anthropic.messages.create(ask(model, { stream })).then(async (r) => { if (stream) for await (const _ of r); });
  else await s.openai.chat.completions.create(ask(model, { stream })).then(async (r) => { if (stream) for await (const _ of r); });
  const [r] = await records(s.weir, 1);
  return { output: r.usage.outputTokens, cost: BigInt(r.costNano) };
}

const messageStart = (usage) => sse("message_start", { message: { id: "m", type: "message", role: "assistant", model: "mock-small", content: [], stop_reason: null, stop_sequence: null, usage } });
const messageEnd = (usage) => [sse("content_block_start", { index: 0, content_block: { type: "text", text: "" } }), sse("content_block_delta", { index: 0, delta: { type: "text_delta", text: "high" } }),
  sse("content_block_stop", { index: 0 }), sse("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage }), sse("message_stop", {})];

// nano-USD a token: 150 for input, 75 read, 187.5 written, 600 for output; the sum is rounded up.
const cases = [
  ["S-09: what message_delta says of the input beats message_start", "to-an", { events: [messageStart({ input_tokens: 1, output_tokens: 1 }), ...messageEnd({ input_tokens: 20, output_tokens: 7 })] }, 20n * 150n + 7n * 600n],
  ["B-18: cache writes that message_start and message_delta both tell are charged once", "to-an",
    { events: [messageStart({ input_tokens: 20, cache_creation_input_tokens: 40, cache_read_input_tokens: 10, output_tokens: 1 }), ...messageEnd({ input_tokens: 20, cache_creation_input_tokens: 40, cache_read_input_tokens: 10, output_tokens: 7 })] },
    20n * 150n + 10n * 75n + 40n * 1875n / 10n + 7n * 600n],
  ["S-12: usage on every chunk is cumulative: the last one counts", "to-oa", { events: [chunk({ role: "assistant", content: "a" }, null, { usage: { prompt_tokens: 20, completion_tokens: 1, total_tokens: 21 } }),
    chunk({ content: "b" }, null, { usage: { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 } }), chunk({}, "stop", { usage: { prompt_tokens: 20, completion_tokens: 7, total_tokens: 27 } }), done] }, 20n * 150n + 7n * 600n],
  ["S-14: usage that is told with the end and once more behind it is counted once", "to-oa", { events: [chunk({ role: "assistant", content: "a" }), chunk({}, "stop", { usage: { prompt_tokens: 20, completion_tokens: 7, total_tokens: 27 } }),
    usageChunk({ prompt_tokens: 20, completion_tokens: 7, total_tokens: 27 }), done] }, 20n * 150n + 7n * 600n],
  ["B-17: cached tokens of Chat Completions are a part of the input, at their own price", "to-oa",
    { body: { id: "c", object: "chat.completion", created: 1, model: "mock-small", choices: [{ index: 0, message: { role: "assistant", content: "x" }, finish_reason: "stop" }], usage: { prompt_tokens: 100, completion_tokens: 7, total_tokens: 107, prompt_tokens_details: { cached_tokens: 60 } } } },
    40n * 150n + 60n * 75n + 7n * 600n],
  ["B-16: cache writes of five minutes and of an hour are told apart", "to-an",
    { body: { id: "m", type: "message", role: "assistant", model: "mock-small", content: [{ type: "text", text: "x" }], stop_reason: "end_turn", stop_sequence: null,
      usage: { input_tokens: 20, cache_read_input_tokens: 0, cache_creation_input_tokens: 40, cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 0 }, output_tokens: 7 } } },
    20n * 150n + 40n * 1875n / 10n + 7n * 600n],
  ["T-20: more cached tokens than there are tokens cost no less than nothing", "to-oa",
    { body: { id: "c", object: "chat.completion", created: 1, model: "mock-small", choices: [{ index: 0, message: { role: "assistant", content: "x" }, finish_reason: "stop" }], usage: { prompt_tokens: 10, completion_tokens: 7, total_tokens: 17, prompt_tokens_details: { cached_tokens: 60 } } } },
    null],
];
for (const [name, model, answer, cost] of cases)
  test(name, async (t) => {
    const r = await counted(t, model, answer);
    if (cost === null) assert.ok(r.cost >= 7n * 600n, `${r.cost}`);
    else assert.equal(r.cost, cost);
    assert.equal(r.output, 7);
  });

test("F-02: a stream that breaks in the middle is not begun again elsewhere: no text comes twice", async (t) => {
  const s = await setting(t, { plan: (c, n) => (n === 1 ? { cutAfter: 4 } : {}), budgets: money, more: route("two", [["oa"], ["an"]], "  models: [mock-small]\n  priority: 9") });
  let text = "";
  await assert.rejects(async () => {
    for await (const e of await s.openai.chat.completions.create(chat({ stream: true }))) text += e.choices[0]?.delta.content ?? "";
  });
  assert.equal(text, "lor ".repeat(3));
  assert.equal(s.mock.calls.length, 1);
  await settled(s.weir, "money");
});

for (const [name, path, body] of [["Chat Completions", "/v1/chat/completions", ask("any")], ["Messages", "/v1/messages", ask("any")], ["Responses", "/v1/responses", { model: "any", input: "x", max_output_tokens: 50 }],
  ["Gemini", "/v1beta/models/any:streamGenerateContent?alt=sse", { contents: [{ role: "user", parts: [{ text: "x" }] }] }]])
  test(`F-04: ${name}: a stream whose first target fails goes to the next`, async (t) => {
    const down = await new Mock({ plan: () => ({ status: 503 }) }).start(), up = await new ResponsesMock().start();
    t.after(() => Promise.all([down.stop(), up.stop()]));
    const policy = prices + agent() + provider("down", "openai", down.url) + provider("up", "openai", up.url)
      + route("any", [[{ provider: "down", model: "mock-small" }], [{ provider: "up", model: "mock-small" }]], "  models: [any]");
    const weir = await Weir.start(t, { policy });
    const { stream, ...rest } = { ...body };
    const list = await wire(weir.url, path, name === "Gemini" ? { ...rest, stream: undefined } : rest);
    assert.ok(list.length > 2);
    assert.equal(down.calls.length, 1);
    assert.equal(up.calls.length, 1);
  });

test("B-09: a call's hold uses the price of the tier that its input reaches", async (t) => {
  const tiers = prices.replace("maxOutputTokens: 1000}", "maxOutputTokens: 1000, tiers: [{aboveInputTokens: 1000, input: 15, output: 60}]}");
  const mock = await new Mock().start();
  t.after(() => mock.stop());
  // At the base price both calls fit, at the tier's the long one costs a hundred times as much.
  const weir = await Weir.start(t, { policy: tiers + agent() + provider("p", "openai", mock.url) + route("all", [["p"]]) + budget("money", "{usd: 0.01}") });
  const long = () => wire(weir.url, "/v1/chat/completions", { stream: false, ...ask("mock-small", { max_tokens: 100, messages: [{ role: "user", content: "words ".repeat(1000) }] }) });
  await assert.rejects(long(), (e) => /default\/money/.test(e.message));
  assert.equal(mock.calls.length, 0);
});

test("B-19: nothing that comes later decides: with the control plane gone a budget still ends, at its limit", async (t) => {
  const s = await setting(t, { budgets: budget("calls", "{requests: 8}") });
  await s.openai.chat.completions.create(chat());
  await s.weir.control.stop("SIGKILL");
  const ends = await Promise.all(Array.from({ length: 20 }, () => s.openai.chat.completions.create(chat()).then(() => 200, (e) => e.status)));
  assert.ok(ends.filter((e) => e === 200).length <= 7, `${ends}`);
  assert.ok(ends.includes(402) || ends.includes(503), `${ends}`);
  assert.ok(s.mock.calls.length <= 8);
});

test("B-22: what a provider bills beyond its hold is a debt that the next call meets", async (t) => {
  const s = await setting(t, { budgets: budget("tokens", "{tokens: 1500}"), plan: () => ({ tokens: 10, reasoning: 1190 }) });
  await s.openai.chat.completions.create(chat({ max_tokens: 50 }));
  await until(async () => (await settled(s.weir, "tokens")).value > 1200n, "what was billed to be settled");
  await assert.rejects(s.openai.chat.completions.create(chat({ max_tokens: 90 })), (e) => e.status === 402 || e.status === 429);
  assert.equal(s.mock.calls.length, 1);
});

test("T-04: a Messages stream begins with the cache's figures where its provider tells them at once", async (t) => {
  const usage = { prompt_tokens: 20, completion_tokens: 1, total_tokens: 21, prompt_tokens_details: { cached_tokens: 12 } };
  const events = [chunk({ role: "assistant", content: "a" }, null, { usage }), chunk({}, "stop", { usage: { ...usage, completion_tokens: 7 } }), done];
  const s = await all(t, () => ({ events }));
  const [start] = await messagesWire(s, "to-oa");
  assert.equal(start.type, "message_start");
  assert.equal(start.message.usage.cache_read_input_tokens, 12);
  assert.equal(start.message.usage.input_tokens, 8);
});
