// Clients of one API at providers of the other: the vendors' own SDKs, both ways, streaming and not, and a ledger that
// equals the provider's bill.
import assert from "node:assert/strict";
import { test } from "node:test";
import { budget, chat, route, setting, settled } from "./lib/setup.mjs";

const money = budget("money", "{usd: 10}");
const foreign = (extra = "") => route("to-an", [[{ provider: "an", model: "mock-small" }]], `  models: [to-an]\n${extra}`)
  + route("to-oa", [[{ provider: "oa", model: "mock-small" }]], `  models: [to-oa]\n${extra}`);
const both = (t, { plan, extra } = {}) => setting(t, { plan, budgets: money, more: foreign(extra) });
const toAn = (extra) => chat({ model: "to-an", ...extra });
const toOa = (extra) => chat({ model: "to-oa", ...extra });
const png = "iVBORw0KGgo=";
const schema = { type: "object", properties: { dam: { type: "string" } }, required: ["dam"], additionalProperties: false };

const sse = (type, o, tokens) => ({ text: `event: ${type}\ndata: ${JSON.stringify({ type, ...o })}\n\n`, tokens });
const start = sse("message_start", { message: { id: "msg_1", type: "message", role: "assistant", model: "mock-small", content: [], stop_reason: null,
  stop_sequence: null, usage: { input_tokens: 5, output_tokens: 1 } } });
const block = (index, content_block) => sse("content_block_start", { index, content_block });
const delta = (index, d, tokens = 1) => sse("content_block_delta", { index, delta: d }, tokens);
const stop = (index) => sse("content_block_stop", { index });
const end = (stop_reason, output_tokens) => [sse("message_delta", { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens } }), sse("message_stop", {})];
const chunk = (d, tokens, finish_reason = null) => ({ tokens, text: `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 1, model: "mock-small",
  choices: [{ index: 0, delta: d, finish_reason }] })}\n\n` });
const call = (index, rest) => ({ tool_calls: [{ index, ...rest }] });

test("S-18: openai client, Anthropic provider: a plain call and a stream answer and are billed to the nano-dollar", async (t) => {
  const { mock, weir, openai } = await both(t, { plan: () => ({ cacheRead: 3, cacheWrite: 2 }) });
  const { data, response } = await openai.chat.completions.create(toAn()).withResponse();
  assert.equal(data.choices[0].message.content, "lor ".repeat(10));
  assert.equal(data.choices[0].finish_reason, "stop");
  assert.equal(data.usage.prompt_tokens, mock.calls[0].usage.input + 5);
  assert.equal(data.usage.prompt_tokens_details.cached_tokens, 3);
  assert.equal(data.usage.completion_tokens, 10);
  assert.equal(response.headers.get("x-weir-dropped"), null);
  assert.equal(mock.calls[0].path, "/v1/messages");
  assert.equal(mock.calls[0].body.max_tokens, 100);
  assert.deepEqual(mock.calls[0].body.messages, [{ role: "user", content: [{ type: "text", text: "How high is the dam?" }] }]);
  const stream = openai.chat.completions.stream(toAn({ stream_options: { include_usage: true } }));
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, "lor ".repeat(10));
  assert.equal(final.usage.completion_tokens, 10);
  await settled(weir, "money", mock.bill);
  assert.deepEqual(mock.problems, []);
});

test("S-08: anthropic client, OpenAI provider: a plain call and a stream answer and are billed to the nano-dollar", async (t) => {
  const { mock, weir, anthropic } = await both(t, { plan: () => ({ cacheRead: 3 }) });
  const whole = await anthropic.messages.create(toOa({ system: "Be brief." }));
  assert.equal(whole.content[0].text, "lor ".repeat(10));
  assert.equal(whole.stop_reason, "end_turn");
  assert.equal(whole.usage.cache_read_input_tokens, 3);
  assert.equal(whole.usage.input_tokens, mock.calls[0].usage.input - 3);
  assert.equal(mock.calls[0].path, "/v1/chat/completions");
  assert.deepEqual(mock.calls[0].body.messages[0], { role: "system", content: "Be brief." });
  const final = await anthropic.messages.stream(toOa()).finalMessage();
  assert.equal(final.content[0].text, "lor ".repeat(10));
  assert.equal(final.usage.output_tokens, 10);
  assert.equal(mock.calls[1].body.stream_options.include_usage, true);
  await settled(weir, "money", mock.bill);
  assert.deepEqual(mock.problems, []);
});

test("T-06, T-07, T-10: parallel tools of an OpenAI provider, interleaved and cut anywhere, reach an anthropic client whole", async (t) => {
  const events = [
    chunk({ role: "assistant", content: "Wait." }, 1),
    chunk(call(0, { id: "call_a", type: "function", function: { name: "level", arguments: '{"dam":' } }), 1),
    chunk(call(1, { id: "call_b", type: "function", function: { name: "flow", arguments: "" } })),
    chunk(call(1, { function: { arguments: '{"river":"Ed' } }), 1), chunk(call(0, { function: { arguments: '"Möhne"}' } }), 1),
    chunk(call(1, { function: { arguments: 'er"}' } }), 1), chunk({}, 0, "tool_calls"), { text: "data: [DONE]\n\n" },
  ];
  const { mock, anthropic } = await both(t, { plan: () => ({ events, split: 7 }) });
  const final = await anthropic.messages.stream(toOa({ tools: [{ name: "level", input_schema: schema }], tool_choice: { type: "any" } })).finalMessage();
  assert.equal(final.stop_reason, "tool_use");
  assert.deepEqual(final.content.map((c) => [c.type, c.id, c.name, c.text ?? c.input]), [
    ["text", undefined, undefined, "Wait."], ["tool_use", "call_a", "level", { dam: "Möhne" }], ["tool_use", "call_b", "flow", { river: "Eder" }]]);
  assert.equal(mock.calls[0].body.tool_choice, "required");
  assert.deepEqual(mock.calls[0].body.tools, [{ type: "function", function: { name: "level", parameters: schema } }]);
  assert.deepEqual(mock.problems, []);
});

test("T-08, T-11, T-15: thinking and parallel tools of an Anthropic provider make a round trip through an openai client", async (t) => {
  const events = [
    start, block(0, { type: "thinking", thinking: "", signature: "" }), delta(0, { type: "thinking_delta", thinking: "Hm." }),
    delta(0, { type: "signature_delta", signature: "c2ln" }, 0), stop(0),
    block(1, { type: "tool_use", id: "toolu_a", name: "level", input: {} }), delta(1, { type: "input_json_delta", partial_json: "" }, 0),
    delta(1, { type: "input_json_delta", partial_json: '{"dam":"Eder"}' }), stop(1),
    block(2, { type: "tool_use", id: "toolu_b", name: "level", input: {} }), stop(2), ...end("tool_use", 2),
  ];
  const { mock, openai } = await both(t, { plan: (_, n) => (n === 1 ? { events } : {}) });
  const tools = [{ type: "function", function: { name: "level", description: "Water level", parameters: schema, strict: true } }];
  const first = await openai.chat.completions.stream(toAn({ tools, reasoning_effort: "high" })).finalChatCompletion();
  const { message, finish_reason } = first.choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.deepEqual(message.tool_calls.map((c) => [c.id, c.function.name, c.function.arguments]), [["toolu_a", "level", '{"dam":"Eder"}'], ["toolu_b", "level", "{}"]]);
  assert.equal(message.reasoning_content, "Hm.");
  assert.deepEqual(mock.calls[0].body.thinking, { type: "adaptive" });
  assert.deepEqual(mock.calls[0].body.output_config, { effort: "high" });
  assert.deepEqual(mock.calls[0].body.tools, [{ name: "level", description: "Water level", input_schema: schema, strict: true }]);
  const { parsed, ...said } = message;
  for (const c of said.tool_calls) delete c.function.parsed_arguments;
  await openai.chat.completions.create(toAn({ tools, messages: [...chat().messages, said,
    { role: "tool", tool_call_id: "toolu_a", content: "3 m" }, { role: "tool", tool_call_id: "toolu_b", content: "4 m" }] }));
  assert.deepEqual(mock.calls[1].body.messages.slice(1), [
    { role: "assistant", content: [{ type: "thinking", thinking: "Hm.", signature: "c2ln" },
      { type: "tool_use", id: "toolu_a", name: "level", input: { dam: "Eder" } }, { type: "tool_use", id: "toolu_b", name: "level", input: {} }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_a", content: [{ type: "text", text: "3 m" }] },
      { type: "tool_result", tool_use_id: "toolu_b", content: [{ type: "text", text: "4 m" }] }] }]);
  assert.deepEqual(mock.problems, []);
});

test("images, failed tool results and structured output are carried both ways", async (t) => {
  const { mock, openai, anthropic } = await both(t);
  await openai.chat.completions.create(toAn({
    messages: [{ role: "user", content: [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } }] }],
    response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } },
  }));
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: png } };
  assert.deepEqual(mock.calls[0].body.messages[0].content, [{ type: "text", text: "What is it?" }, image]);
  assert.deepEqual(mock.calls[0].body.output_config, { format: { type: "json_schema", schema } });
  await anthropic.messages.create(toOa({
    messages: [...chat().messages, { role: "assistant", content: [{ type: "tool_use", id: "toolu_a", name: "photo", input: { of: "dam" } }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_a", is_error: true, content: [{ type: "text", text: "dark" }, image] }] }],
    output_config: { format: { type: "json_schema", schema } },
  }));
  const { messages, response_format } = mock.calls[1].body;
  assert.deepEqual(messages.slice(1), [
    { role: "assistant", content: null, tool_calls: [{ id: "toolu_a", type: "function", function: { name: "photo", arguments: '{"of":"dam"}' } }] },
    { role: "tool", tool_call_id: "toolu_a", content: [{ type: "text", text: "Error: " }, { type: "text", text: "dark" }] },
    { role: "user", content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${png}` } }] }]);
  assert.deepEqual(response_format, { type: "json_schema", json_schema: { name: "answer", strict: true, schema } });
  assert.deepEqual(mock.problems, []);
});

test("errors of a foreign provider keep status and message in the client's shape, before and inside a stream", async (t) => {
  const events = [start, block(0, { type: "text", text: "" }), delta(0, { type: "text_delta", text: "lor " }),
    sse("error", { error: { type: "overloaded_error", message: "Overloaded" } })];
  const { openai, anthropic } = await both(t, { plan: (c) => (c.body.stream ? { events } : { status: 422 }) });
  await assert.rejects(openai.chat.completions.create(toAn()), (e) => e.status === 422 && /mock says no/.test(e.message) && e.code === "overloaded_error");
  await assert.rejects(anthropic.messages.create(toOa()), (e) => e.status === 422 && e.error.type === "error" && e.error.error.message === "mock says no");
  await assert.rejects(async () => {
    for await (const c of await openai.chat.completions.create(toAn({ stream: true }))) assert.ok(c.choices);
  }, /Overloaded/);
});

test("T-18, T-21: what the provider cannot express is dropped and named, or strictly refused by its name", async (t) => {
  const lenient = await both(t);
  const { response } = await lenient.openai.chat.completions.create(toAn({ seed: 7, store: true, temperature: 1.5 })).withResponse();
  assert.equal(response.headers.get("x-weir-dropped"), "seed, store, temperature");
  assert.equal(lenient.mock.calls[0].body.temperature, 1);
  assert.deepEqual(lenient.mock.problems, []);
  const strict = await both(t, { extra: "  translation: strict" });
  await assert.rejects(strict.openai.chat.completions.create(toAn({ seed: 7 })), (e) => e.status === 400 && /'seed'/.test(e.message) && e.code === "not_translatable");
  await assert.rejects(strict.anthropic.messages.create(toOa({ top_k: 3 })), (e) => e.status === 400 && /'top_k'/.test(e.message));
  assert.equal((await strict.openai.chat.completions.create(toAn({ store: true }))).choices[0].finish_reason, "stop");
  const none = await both(t, { extra: "  translation: none" });
  await assert.rejects(none.openai.chat.completions.create(toAn()), (e) => e.status === 404 && e.code === "no_target");
});

test("a target of another dialect takes over when the caller's own fails", async (t) => {
  const { mock, openai } = await setting(t, {
    plan: (c) => (c.path.includes("chat") ? { status: 503 } : {}),
    more: route("mixed", [["oa"], [{ provider: "an", model: "mock-large" }]], "  models: [mock-small]"),
  });
  const { data, response } = await openai.chat.completions.create(chat()).withResponse();
  assert.equal(data.choices[0].message.content, "lor ".repeat(10));
  assert.equal(response.headers.get("x-weir-provider"), "an");
  assert.deepEqual(mock.problems, []);
});
