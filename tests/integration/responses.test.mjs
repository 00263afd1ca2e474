// OpenAI Responses: passed as it is to a provider that speaks it, and translated both ways to those that speak another API, with
// the vendors' own SDKs and a ledger that equals the provider's bill.
import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import { CALLER_KEY, budget, chat, provider, records, route, settled } from "./lib/setup.mjs";
import { responsesSetting } from "./lib/responses.mjs";

const money = budget("money", "{usd: 10}");
const both = (t, opts = {}) => responsesSetting(t, { budgets: money, ...opts });
const ask = (model, extra = {}) => ({ model, max_output_tokens: 100, input: "How high is the dam?", ...extra });
const said = "lor ".repeat(10);
const schema = { type: "object", properties: { dam: { type: "string" } }, required: ["dam"], additionalProperties: false };
const tools = [{ type: "function", name: "level", description: "Water level", parameters: schema, strict: true }];
const png = "iVBORw0KGgo=";
const events = async (stream) => {
  const list = [];
  for await (const e of stream) list.push(e);
  return list;
};

test("S-10: Responses: a call and a stream pass as they are, and are billed to the nano-dollar", async (t) => {
  const { mock, weir, openai } = await both(t, { plan: () => ({ cacheRead: 3 }) });
  const { data, response } = await openai.responses.create(ask("to-re", { unknown_field: undefined, metadata: { a: "b" } })).withResponse();
  assert.equal(data.output_text, said);
  assert.equal(data.usage.output_tokens, 10);
  assert.equal(response.headers.get("x-weir-provider"), "re");
  assert.equal(response.headers.get("x-weir-dropped"), null);
  assert.equal(mock.calls[0].path, "/v1/responses");
  assert.deepEqual(mock.calls[0].body, { model: "mock-small", max_output_tokens: 100, input: "How high is the dam?", metadata: { a: "b" } });
  const final = await openai.responses.stream(ask("to-re")).finalResponse();
  assert.equal(final.output_text, said);
  assert.equal(final.usage.input_tokens_details.cached_tokens, 3);
  await settled(weir, "money", mock.bill);
  const list = await records(weir, 2);
  assert.deepEqual(list.map((r) => [r.operation, r.dialect]), [["responses", "openaiResponses"], ["responses", "openaiResponses"]]);
  assert.deepEqual(mock.problems, []);
});

test("Responses: every event of a stream arrives, in order and unchanged", async (t) => {
  const { openai } = await both(t, { plan: () => ({ reason: "Hm.", toolCall: { name: "level", args: { dam: "Möhne" } }, split: 5 }) });
  const list = await events(await openai.responses.create(ask("to-re", { stream: true, tools })));
  assert.deepEqual(list.map((e) => e.sequence_number), list.map((_, i) => i));
  assert.equal(list[0].type, "response.created");
  assert.equal(list.at(-1).type, "response.completed");
  assert.deepEqual(list.at(-1).response.output.map((i) => i.type), ["reasoning", "function_call"]);
});

test("Responses: stored answers are the provider's, are found at whichever provider keeps them, and cost nothing", async (t) => {
  const { mock, weir, openai } = await both(t, { routeExtra: "  priority: -1" });
  const { id } = await openai.responses.create(ask("to-re"));
  const spent = mock.bill;
  assert.equal((await openai.responses.retrieve(id)).output_text, said);
  assert.equal((await openai.responses.inputItems.list(id)).data[0].id, "msg_in");
  assert.equal((await openai.responses.cancel(id)).status, "cancelled");
  assert.equal((await openai.responses.inputTokens.count({ model: "to-re", input: "hi" })).input_tokens, 7);
  await openai.responses.delete(id);
  assert.deepEqual(mock.calls.slice(1).map((c) => `${c.method} ${c.path}`), [`GET /v1/responses/${id}`, `GET /v1/responses/${id}/input_items`,
    `POST /v1/responses/${id}/cancel`, "POST /v1/responses/input_tokens", `DELETE /v1/responses/${id}`]);
  await assert.rejects(openai.responses.retrieve(id), (e) => e.status === 404 && /not found/.test(e.message));
  await assert.rejects(openai.responses.retrieve("no/../such"), (e) => e.status === 404);
  await records(weir, 7);
  await settled(weir, "money", spent);
  assert.deepEqual(mock.problems, []);
});

test("Responses: an answer that one provider does not know is asked of the next", async (t) => {
  const second = (mock, caFile) => provider("re2", "openai", mock.url, { caFile, extra: "  alsoSpeaks: [openaiResponses]" })
    + route("two", [["re2"], ["re"]], "  models: [mock-small]\n  priority: 5");
  const { mock, openai } = await both(t, { more: second });
  const { id } = await openai.responses.create(ask("mock-small"));
  const real = mock.kept.get(id);
  mock.kept.delete(id);
  const has = mock.kept.has.bind(mock.kept);
  let asked = 0;
  mock.kept.has = (k) => (k === id && ++asked > 1 ? (mock.kept.set(id, real), true) : has(k));
  assert.equal((await openai.responses.retrieve(id)).id, id);
  assert.equal(asked, 2);
});

test("a provider that also speaks Responses gets such calls as they are, before one that would need a translation", async (t) => {
  const more = (mock, caFile) => provider("ox", "openai", mock.url, { caFile, extra: "  alsoSpeaks: [openaiResponses]" })
    + route("pick", [["an", "ox"]], "  models: [mock-small]\n  priority: 5");
  const { mock, openai } = await both(t, { more });
  await openai.responses.create(ask("mock-small"));
  await openai.chat.completions.create(chat());
  assert.deepEqual(mock.calls.map((c) => c.path), ["/v1/responses", "/v1/chat/completions"]);
  assert.deepEqual(mock.problems, []);
});

test("Responses over WebSocket is answered 426, so that Codex goes on over HTTP at once", async (t) => {
  const { weir } = await both(t);
  const { hostname, port } = new URL(weir.url);
  const head = await new Promise((resolve, reject) => {
    const s = net.connect(port, hostname, () => s.write(`GET /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${CALLER_KEY}\r\n`
      + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
    s.once("data", (d) => (resolve(d.toString()), s.destroy())).once("error", reject);
  });
  assert.match(head, /^HTTP\/1.1 426 /);
});

const long = { name: "level", args: { dam: "x".repeat(40_000) } };
for (const [model, plan] of [["mock-small", { tokens: 8000 }], ["to-oa", { tokens: 8000 }], ["mock-small", { toolCall: long }], ["to-an", { toolCall: long }]])
  test(`Responses: a stream from ${model} is cut, correctly in its dialect, when its budget is used up within ${plan.toolCall ? "a tool call" : "a text"}`, async (t) => {
    const { weir, openai } = await both(t, { budgets: budget("money", "{usd: 0.003}"), plan: () => plan, more: route("cut", [["re"]], "  models: [mock-small]\n  priority: 5") });
    const list = [];
    const stream = openai.responses.stream(ask(model, { tools, max_output_tokens: 30_000, reasoning: { effort: "none" } })).on("event", (e) => list.push(e));
    const final = await stream.finalResponse();
    const { type, response } = list.at(-1);
    assert.equal(type, "response.incomplete");
    assert.equal(response.incomplete_details.reason, "max_output_tokens");
    assert.equal(final.status, "incomplete");
    assert.deepEqual(list.map((e) => e.sequence_number), list.map((_, i) => i));
    const messages = response.output.filter((i) => i.type === "message");
    const text = list.filter((e) => e.type === "response.output_text.delta").map((e) => e.delta).join("");
    assert.equal(messages.map((i) => i.content[0].text).join(""), text);
    assert.match(text, /Cut by Weir: the budget 'default\/money'/);
    assert.ok(list.filter((e) => e.type === "response.output_item.done" && e.item.type === "function_call").every((e) => e.item.status === "incomplete"));
    assert.equal((await records(weir, 1))[0].outcome, "cut");
  });

test("Responses: what cannot be accounted for or is kept elsewhere is refused by its name", async (t) => {
  const { mock, openai } = await both(t);
  await assert.rejects(openai.responses.create(ask("to-re", { background: true })), (e) => e.status === 400 && /"background"/.test(e.message) && e.code === "invalid_body");
  for (const model of ["to-oa", "to-an"])
    await assert.rejects(openai.responses.create(ask(model, { previous_response_id: "resp_1" })), (e) => e.status === 400 && /previous_response_id/.test(e.message));
  assert.equal(mock.calls.length, 0);
  await openai.responses.create(ask("to-re", { previous_response_id: "resp_1" }));
  assert.equal(mock.calls[0].body.previous_response_id, "resp_1");
});

for (const [name, model, path] of [["Chat Completions", "to-oa", "/v1/chat/completions"], ["Messages", "to-an", "/v1/messages"]]) {
  test(`Responses client, ${name} provider: a call and a stream answer and are billed to the nano-dollar`, async (t) => {
    const { mock, weir, openai } = await both(t, { plan: () => ({ cacheRead: 3 }) });
    const { data, response } = await openai.responses.create(ask(model, { instructions: "Be brief." })).withResponse();
    assert.equal(data.output_text, said);
    assert.equal(data.status, "completed");
    assert.equal(data.usage.output_tokens, 10);
    assert.equal(data.usage.input_tokens_details.cached_tokens, 3);
    assert.equal(response.headers.get("x-weir-dropped"), null);
    assert.equal(mock.calls[0].path, path);
    const final = await openai.responses.stream(ask(model)).finalResponse();
    assert.equal(final.output_text, said);
    assert.equal(final.usage.output_tokens, 10);
    const list = await events(await openai.responses.create(ask(model, { stream: true })));
    assert.deepEqual(list.map((e) => e.sequence_number), list.map((_, i) => i));
    await settled(weir, "money", mock.bill);
    assert.deepEqual(mock.problems, []);
  });

  test(`Responses client, ${name} provider: a tool, an image and structured output make a round trip`, async (t) => {
    const { mock, openai } = await both(t, { plan: (_, n) => (n === 1 ? { toolCall: { name: "level", args: { dam: "Eder" } } } : {}) });
    const first = await openai.responses.stream(ask(model, { tools, tool_choice: "required", parallel_tool_calls: false })).finalResponse();
    const call = first.output.find((i) => i.type === "function_call");
    assert.deepEqual([call.name, JSON.parse(call.arguments), call.status], ["level", { dam: "Eder" }, "completed"]);
    const { parsed_arguments, ...item } = call;
    const second = await openai.responses.create(ask(model, {
      tools, text: { format: { type: "json_schema", name: "answer", schema, strict: true } },
      input: [{ role: "user", content: [{ type: "input_text", text: "How high?" }, { type: "input_image", detail: "auto", image_url: `data:image/png;base64,${png}` }] },
        item, { type: "function_call_output", call_id: call.call_id, output: "3 m" }],
    }));
    assert.equal(second.output_text, said);
    const { messages, response_format, output_config } = mock.calls[1].body;
    assert.match(JSON.stringify(messages), /3 m/);
    assert.match(JSON.stringify(messages), new RegExp(png));
    assert.deepEqual(response_format?.json_schema.schema ?? output_config.format.schema, schema);
    assert.deepEqual(mock.problems, []);
  });
}

test("Responses client, Messages provider: signed thinking goes back with its turn", async (t) => {
  const sse = (type, o) => ({ text: `event: ${type}\ndata: ${JSON.stringify({ type, ...o })}\n\n` });
  const stream = [
    sse("message_start", { message: { id: "msg_1", type: "message", role: "assistant", model: "mock-small", content: [], usage: { input_tokens: 5, output_tokens: 1 } } }),
    sse("content_block_start", { index: 0, content_block: { type: "thinking", thinking: "", signature: "" } }),
    sse("content_block_delta", { index: 0, delta: { type: "thinking_delta", thinking: "Hm." } }),
    sse("content_block_delta", { index: 0, delta: { type: "signature_delta", signature: "c2ln" } }), sse("content_block_stop", { index: 0 }),
    sse("content_block_start", { index: 1, content_block: { type: "tool_use", id: "toolu_a", name: "level", input: {} } }),
    sse("content_block_delta", { index: 1, delta: { type: "input_json_delta", partial_json: '{"dam":"Eder"}' } }), sse("content_block_stop", { index: 1 }),
    sse("message_delta", { delta: { stop_reason: "tool_use" }, usage: { output_tokens: 9 } }), sse("message_stop", {}),
  ];
  const { mock, openai } = await both(t, { plan: (_, n) => (n === 1 ? { events: stream } : {}) });
  const first = await openai.responses.stream(ask("to-an", { tools, reasoning: { effort: "high", summary: "auto" } })).finalResponse();
  assert.equal(first.output[0].summary[0].text, "Hm.");
  assert.deepEqual(mock.calls[0].body.output_config, { effort: "high" });
  await openai.responses.create(ask("to-an", { tools, input: [{ role: "user", content: "How high?" }, ...first.output, { type: "function_call_output", call_id: "toolu_a", output: "3 m" }] }));
  assert.deepEqual(mock.calls[1].body.messages[1].content, [{ type: "thinking", thinking: "Hm.", signature: "c2ln" },
    { type: "tool_use", id: "toolu_a", name: "level", input: { dam: "Eder" } }]);
  assert.deepEqual(mock.problems, []);
});

test("chat and Messages clients, Responses provider: calls and streams answer and are billed to the nano-dollar", async (t) => {
  const { mock, weir, openai, anthropic } = await both(t, { plan: () => ({ cacheRead: 3 }) });
  const { data, response } = await openai.chat.completions.create(chat({ model: "to-re", stop: ["x"] })).withResponse();
  assert.equal(data.choices[0].message.content, said);
  assert.equal(data.usage.prompt_tokens_details.cached_tokens, 3);
  assert.equal(response.headers.get("x-weir-dropped"), "stop");
  const streamed = await openai.chat.completions.stream(chat({ model: "to-re", stream_options: { include_usage: true } })).finalChatCompletion();
  assert.equal(streamed.choices[0].message.content, said);
  assert.equal(streamed.usage.completion_tokens, 10);
  const whole = await anthropic.messages.create(chat({ model: "to-re", system: "Be brief." }));
  assert.equal(whole.content[0].text, said);
  assert.equal(whole.usage.cache_read_input_tokens, 3);
  assert.equal((await anthropic.messages.stream(chat({ model: "to-re" })).finalMessage()).content[0].text, said);
  assert.deepEqual(mock.calls.map((c) => [c.path, c.body.store, c.body.max_output_tokens]), Array(4).fill(["/v1/responses", false, 100]));
  await settled(weir, "money", mock.bill);
  assert.deepEqual(mock.problems, []);
});

test("chat and Messages clients, Responses provider: signed reasoning and a tool make a round trip", async (t) => {
  const { mock, openai, anthropic } = await both(t, { plan: (_, n) => (n % 2 ? { reason: "Hm.", toolCall: { name: "level", args: { dam: "Eder" } } } : {}) });
  const chatTools = [{ type: "function", function: { name: "level", description: "Water level", parameters: schema, strict: true } }];
  const first = (await openai.chat.completions.create(chat({ model: "to-re", tools: chatTools, reasoning_effort: "high" }))).choices[0];
  assert.equal(first.finish_reason, "tool_calls");
  assert.equal(first.message.reasoning_content, "Hm.");
  await openai.chat.completions.create(chat({ model: "to-re", tools: chatTools, messages: [...chat().messages, first.message, { role: "tool", tool_call_id: "call_1", content: "3 m" }] }));
  const message = await anthropic.messages.stream(chat({ model: "to-re", tools: [{ name: "level", input_schema: schema }], output_config: { effort: "high" } })).finalMessage();
  assert.equal(message.stop_reason, "tool_use");
  assert.deepEqual(message.content.map((c) => c.type), ["thinking", "tool_use"]);
  await anthropic.messages.create(chat({ model: "to-re", tools: [{ name: "level", input_schema: schema }], messages: [...chat().messages, { role: "assistant", content: message.content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "call_1", content: "3 m" }] }] }));
  const back = [
    { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "Hm." }], encrypted_content: "gAAAAB" },
    { type: "function_call", call_id: "call_1", name: "level", arguments: '{"dam":"Eder"}' },
    { type: "function_call_output", call_id: "call_1", output: "3 m" }];
  for (const n of [1, 3]) assert.deepEqual(mock.calls[n].body.input.slice(1), back);
  assert.deepEqual(mock.calls[0].body.include, ["reasoning.encrypted_content"]);
  assert.deepEqual(mock.problems, []);
});

test("Responses: a provider's errors keep status and message, and a foreign one takes over where the own fails", async (t) => {
  const more = route("mixed", [["re"], [{ provider: "an", model: "mock-large" }]], "  models: [mock-small]\n  priority: 5");
  const { openai } = await both(t, { more, plan: (c) => (c.path === "/v1/responses" ? { status: 503 } : {}) });
  const { data, response } = await openai.responses.create(ask("mock-small")).withResponse();
  assert.equal(data.output_text, said);
  assert.equal(response.headers.get("x-weir-provider"), "an");
  const alone = await both(t, { plan: () => ({ status: 422 }) });
  for (const model of ["to-re", "to-an"])
    await assert.rejects(alone.openai.responses.create(ask(model)), (e) => e.status === 422 && /mock says no/.test(e.message));
});
