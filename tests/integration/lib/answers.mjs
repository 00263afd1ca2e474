// One answer in the words of each provider's API, as a mock's plan has it, and what a request to that provider asked for, free of
// its words. An answer is {reason, text, calls: [{id, name, args}], finish: stop | sequence | length | tools | filter, refusal: the
// text is one}; or {error: a message, status}.
import { event } from "./bedrock.mjs";
import { chunk } from "./gemini.mjs";
import { itemEvents } from "./responses.mjs";

// Every provider tells the same: cached tokens in the input, reasoning in the output.
export const FIGURES = { input: 50, cached: 3, output: 17, reasoning: 7 };
export const SIGNATURE = "c2lnbmVk";

const MODEL = "mock-small";
const cut = (text) => text.match(/[^]{1,5}/gu) ?? [];
const json = (o) => JSON.stringify(o);
const stream = (events, split) => ({ events: [{ text: events.join("") }], split });

function chat(a, streams, split) {
  const usage = { prompt_tokens: 50, completion_tokens: 17, total_tokens: 67, prompt_tokens_details: { cached_tokens: 3 }, completion_tokens_details: { reasoning_tokens: 7 } };
  const finish_reason = { stop: "stop", sequence: "stop", length: "length", tools: "tool_calls", filter: "content_filter" }[a.finish];
  const calls = (a.calls ?? []).map((c) => ({ id: c.id, type: "function", function: { name: c.name, arguments: json(c.args) } }));
  const head = { id: "chatcmpl-1", created: 1, model: MODEL };
  if (!streams) return { body: { ...head, object: "chat.completion", usage, choices: [{ index: 0, finish_reason, logprobs: null,
    message: { role: "assistant", content: a.refusal ? null : a.text ?? null, refusal: a.refusal ? a.text : null, ...(a.reason && { reasoning_content: a.reason }), ...(calls.length && { tool_calls: calls }) } }] } };
  const frame = (choices, more) => `data: ${json({ ...head, object: "chat.completion.chunk", choices, ...more })}\n\n`;
  const delta = (d, reason = null) => frame([{ index: 0, delta: d, finish_reason: reason }]);
  const begun = calls.map((c, index) => delta({ tool_calls: [{ index, ...c, function: { name: c.function.name, arguments: "" } }] }));
  // The calls' arguments come in turns.
  const turns = calls.map((c, index) => cut(c.function.arguments).map((p) => delta({ tool_calls: [{ index, function: { arguments: p } }] })));
  const woven = Array.from({ length: Math.max(0, ...turns.map((x) => x.length)) }, (_, i) => turns.map((x) => x[i] ?? "")).flat();
  return stream([delta({ role: "assistant", content: "" }), ...cut(a.reason ?? "").map((p) => delta({ reasoning_content: p })), ...cut(a.text ?? "").map((p) => delta(a.refusal ? { refusal: p } : { content: p })),
    ...begun, ...woven, delta({}, finish_reason), frame([], { usage }), "data: [DONE]\n\n"], split);
}

function messages(a, streams, split) {
  const usage = { input_tokens: 47, cache_creation_input_tokens: 0, cache_read_input_tokens: 3, output_tokens: 17 };
  const stop_reason = { stop: "end_turn", sequence: "stop_sequence", length: "max_tokens", tools: "tool_use", filter: "refusal" }[a.finish];
  const stop_sequence = a.finish === "sequence" ? "END" : null;
  const content = [...(a.reason ? [{ type: "thinking", thinking: a.reason, signature: SIGNATURE }] : []), ...(a.text ? [{ type: "text", text: a.text }] : []),
    ...(a.calls ?? []).map((c) => ({ type: "tool_use", id: c.id, name: c.name, input: c.args }))];
  const head = { id: "msg_1", type: "message", role: "assistant", model: MODEL };
  if (!streams) return { body: { ...head, content, stop_reason, stop_sequence, usage } };
  const sse = (type, o) => `event: ${type}\ndata: ${json({ type, ...o })}\n\n`;
  const deltas = { thinking: (b) => [...cut(b.thinking).map((p) => ({ type: "thinking_delta", thinking: p })), { type: "signature_delta", signature: b.signature }],
    text: (b) => cut(b.text).map((p) => ({ type: "text_delta", text: p })), tool_use: (b) => cut(json(b.input)).map((p) => ({ type: "input_json_delta", partial_json: p })) };
  const empty = { thinking: { thinking: "", signature: "" }, text: { text: "" }, tool_use: { input: {} } };
  const blocks = content.flatMap((b, index) => [sse("content_block_start", { index, content_block: { ...b, ...empty[b.type] } }),
    ...deltas[b.type](b).map((delta) => sse("content_block_delta", { index, delta })), sse("content_block_stop", { index })]);
  return stream([sse("message_start", { message: { ...head, content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } } }), ...blocks,
    sse("message_delta", { delta: { stop_reason, stop_sequence }, usage: { output_tokens: 17 } }), sse("message_stop", {})], split);
}

function responses(a, streams, split) {
  const usage = { input_tokens: 50, input_tokens_details: { cached_tokens: 3, cache_write_tokens: 0 }, output_tokens: 17, output_tokens_details: { reasoning_tokens: 7 }, total_tokens: 67 };
  const reason = { length: "max_output_tokens", filter: "content_filter" }[a.finish];
  const status = reason ? "incomplete" : "completed";
  const output = [
    ...(a.reason ? [{ id: "rs_1", type: "reasoning", summary: [{ type: "summary_text", text: a.reason }], encrypted_content: SIGNATURE }] : []),
    ...(a.text ? [{ id: "msg_1", type: "message", status, role: "assistant", content: [a.refusal ? { type: "refusal", refusal: a.text } : { type: "output_text", text: a.text, annotations: [], logprobs: [] }] }] : []),
    ...(a.calls ?? []).map((c) => ({ id: `fc_${c.id}`, type: "function_call", status: "completed", call_id: c.id, name: c.name, arguments: json(c.args) })),
  ];
  const response = { id: "resp_1", object: "response", created_at: 1, model: MODEL, error: null, instructions: null, metadata: {}, parallel_tool_calls: true, temperature: 1, tool_choice: "auto",
    tools: [], top_p: 1, status: "in_progress", incomplete_details: null, output: [], usage: null };
  const done = { ...response, status, incomplete_details: reason ? { reason } : null, output, usage };
  if (!streams) return { body: done };
  const events = [], add = (type, o) => events.push(`event: ${type}\ndata: ${json({ type, sequence_number: events.length, ...o })}\n\n`);
  add("response.created", { response });
  output.forEach((item, i) => itemEvents(add, item, i));
  add(`response.${status}`, { response: done });
  return stream(events, split);
}

function gemini(a, streams, split) {
  const usageMetadata = { promptTokenCount: 50, cachedContentTokenCount: 3, candidatesTokenCount: 10, thoughtsTokenCount: 7, totalTokenCount: 67 };
  const last = { candidate: { finishReason: { stop: "STOP", sequence: "STOP", length: "MAX_TOKENS", tools: "STOP", filter: "SAFETY" }[a.finish] }, top: { usageMetadata } };
  const calls = (a.calls ?? []).map((c, i) => ({ functionCall: { id: c.id, name: c.name, args: c.args }, ...(a.reason && i === 0 && { thoughtSignature: SIGNATURE }) }));
  const texts = (of) => [...of(a.reason ?? "").map((text) => ({ text, thought: true })), ...of(a.text ?? "").map((text) => ({ text }))];
  if (!streams) return { whole: chunk([...texts((x) => (x ? [x] : [])), ...calls], last) };
  return { split, chunks: [...[...texts(cut), ...calls].map((p) => chunk([p])), chunk([{ text: "" }], last)] };
}

function bedrock(a, streams, split) {
  const usage = { inputTokens: 47, outputTokens: 17, totalTokens: 67, cacheReadInputTokens: 3, cacheWriteInputTokens: 0 };
  const stopReason = { stop: "end_turn", sequence: "stop_sequence", length: "max_tokens", tools: "tool_use", filter: "content_filtered" }[a.finish];
  const calls = (a.calls ?? []).map((c) => ({ toolUseId: c.id, name: c.name, input: c.args }));
  const metrics = { latencyMs: 1 };
  if (!streams) return { body: { stopReason, usage, metrics, output: { message: { role: "assistant", content: [
    ...(a.reason ? [{ reasoningContent: { reasoningText: { text: a.reason, signature: SIGNATURE } } }] : []), ...(a.text ? [{ text: a.text }] : []), ...calls.map((toolUse) => ({ toolUse }))] } } } };
  const events = [event("messageStart", { role: "assistant" })];
  let contentBlockIndex = 0;
  const block = (deltas, start) => {
    if (start) events.push(event("contentBlockStart", { contentBlockIndex, start }));
    for (const delta of deltas) events.push(event("contentBlockDelta", { contentBlockIndex, delta, p: "abcde" }));
    events.push(event("contentBlockStop", { contentBlockIndex: contentBlockIndex++ }));
  };
  if (a.reason) block([...cut(a.reason).map((text) => ({ reasoningContent: { text } })), { reasoningContent: { signature: SIGNATURE } }]);
  if (a.text) block(cut(a.text).map((text) => ({ text })));
  for (const { input, ...toolUse } of calls) block(cut(json(input)).map((p) => ({ toolUse: { input: p } })), { toolUse });
  return { split, events: [...events, event("messageStop", { stopReason }), event("metadata", { usage, metrics })] };
}

function cohere(a, streams, split) {
  const usage = { billed_units: { input_tokens: 40, output_tokens: 10 }, tokens: { input_tokens: 50, output_tokens: 17 }, cached_tokens: 3 };
  const finish_reason = { stop: "COMPLETE", sequence: "STOP_SEQUENCE", length: "MAX_TOKENS", tools: "TOOL_CALL", filter: "COMPLETE" }[a.finish];
  const calls = (a.calls ?? []).map((c) => ({ id: c.id, type: "function", function: { name: c.name, arguments: json(c.args) } }));
  const content = [...(a.reason ? [{ type: "thinking", thinking: a.reason }] : []), ...(a.text && !calls.length ? [{ type: "text", text: a.text }] : [])];
  const plan = calls.length ? a.text : undefined;
  if (!streams) return { body: { id: "co-1", finish_reason, usage, message: { role: "assistant", ...(content.length && { content }), ...(plan && { tool_plan: plan }), ...(calls.length && { tool_calls: calls }),
    ...(a.text && { citations: [{ start: 0, end: 2, text: a.text.slice(0, 2), sources: [{ type: "tool", id: "x" }] }] }) } } };
  const sse = (type, o) => `event: ${type}\ndata: ${json({ type, ...o })}\n\n`;
  const message = (m) => ({ delta: { message: m } });
  const blocks = content.flatMap((b, index) => [sse("content-start", { index, ...message({ content: { type: b.type, [b.type]: "" } }) }),
    ...cut(b[b.type]).map((p) => sse("content-delta", { index, ...message({ content: { [b.type]: p } }) })), sse("content-end", { index }),
    ...(b.type === "text" ? [sse("citation-start", { index: 0, ...message({ citations: { start: 0, end: 2, text: "Up", sources: [] } }) }), sse("citation-end", { index: 0 })] : [])]);
  const plans = cut(plan ?? "").map((p) => sse("tool-plan-delta", message({ tool_plan: p })));
  const called = calls.flatMap((c, index) => [sse("tool-call-start", { index, ...message({ tool_calls: { ...c, function: { name: c.function.name, arguments: "" } } }) }),
    ...cut(c.function.arguments).map((p) => sse("tool-call-delta", { index, ...message({ tool_calls: { function: { arguments: p } } }) })), sse("tool-call-end", { index })]);
  return { split, events: [sse("message-start", { id: "co-1", ...message({ role: "assistant", content: [], tool_plan: "", tool_calls: [], citations: [] }) }), ...blocks, ...plans, ...called,
    sse("message-end", { id: "co-1", delta: { finish_reason, usage } })] };
}

const refusals = {
  chat: (message) => ({ error: { message, type: "invalid_request_error", param: null, code: null } }),
  messages: (message) => ({ type: "error", error: { type: "invalid_request_error", message } }),
  responses: (message) => refusals.chat(message),
  gemini: (message, code) => ({ error: { code, message, status: "INVALID_ARGUMENT" } }),
  bedrock: (message) => ({ message }),
  cohere: (message) => ({ id: "err-1", message }),
};

// (answer, streams, split): what a mock's plan says.
export const answers = Object.fromEntries(Object.entries({ chat, messages, responses, gemini, bedrock, cohere }).map(([name, of]) => [name,
  (a, streams, split) => (a.error ? { status: a.status, body: refusals[name](a.error, a.status) } : of(a, streams, split))]));

// ---- what was asked for ----

const list = (c) => (typeof c === "string" ? [{ text: c }] : c ?? []);
const texts = (c) => list(c).map((p) => p.text ?? "").join("");
const data = (url) => url?.replace(/^data:image\/png;base64,/, "");
const none = (o) => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined && v.length !== 0));

// {system, text, images, tools, schema, limit, calls, results, signatures}; what is empty is left out.
export const asked = {
  chat(b) {
    const of = (...roles) => b.messages.filter((m) => roles.includes(m.role));
    return none({ system: of("system", "developer").map((m) => texts(m.content)).join(""), text: of("user").map((m) => texts(m.content)).join(""),
      images: of("user").flatMap((m) => list(m.content).map((p) => data(p.image_url?.url)).filter(Boolean)), tools: b.tools?.map((x) => x.function.name),
      schema: b.response_format?.json_schema.schema, limit: b.max_completion_tokens ?? b.max_tokens,
      calls: of("assistant").flatMap((m) => (m.tool_calls ?? []).map((c) => [c.id, c.function.name, JSON.parse(c.function.arguments)])), results: of("tool").map((m) => [m.tool_call_id, texts(m.content)]) });
  },
  messages(b) {
    const parts = (type) => b.messages.flatMap((m) => list(m.content).filter((p) => (p.type ?? "text") === type));
    return none({ system: texts(b.system), text: b.messages.filter((m) => m.role === "user").map((m) => texts(m.content)).join(""), images: parts("image").map((p) => p.source.data),
      tools: b.tools?.map((x) => x.name), schema: b.output_config?.format?.schema, limit: b.max_tokens, calls: parts("tool_use").map((p) => [p.id, p.name, p.input]),
      results: parts("tool_result").map((p) => [p.tool_use_id, texts(p.content)]), signatures: parts("thinking").map((p) => p.signature) });
  },
  responses(b) {
    const items = typeof b.input === "string" ? [{ role: "user", content: b.input }] : b.input;
    const of = (...roles) => items.filter((i) => roles.includes(i.role));
    const typed = (type) => items.filter((i) => i.type === type);
    return none({ system: (b.instructions ?? "") + of("system", "developer").map((m) => texts(m.content)).join(""), text: of("user").map((m) => texts(m.content)).join(""),
      images: of("user").flatMap((m) => list(m.content).map((p) => data(p.image_url)).filter(Boolean)), tools: b.tools?.map((x) => x.name), schema: b.text?.format?.schema, limit: b.max_output_tokens,
      calls: typed("function_call").map((i) => [i.call_id, i.name, JSON.parse(i.arguments)]), results: typed("function_call_output").map((i) => [i.call_id, texts(i.output)]),
      signatures: typed("reasoning").map((i) => i.encrypted_content) });
  },
  gemini(b) {
    const parts = b.contents.flatMap((c) => c.parts);
    return none({ system: texts(b.systemInstruction?.parts), text: b.contents.filter((c) => c.role === "user").map((c) => texts(c.parts)).join(""),
      images: parts.map((p) => p.inlineData?.data).filter(Boolean), tools: b.tools?.flatMap((x) => x.functionDeclarations.map((f) => f.name)), schema: b.generationConfig?.responseJsonSchema,
      limit: b.generationConfig?.maxOutputTokens, calls: parts.filter((p) => p.functionCall).map(({ functionCall: c }) => [c.id, c.name, c.args]),
      results: parts.filter((p) => p.functionResponse).map(({ functionResponse: r }) => [r.id, r.response.output]), signatures: parts.map((p) => p.thoughtSignature).filter(Boolean) });
  },
  bedrock(b) {
    const parts = b.messages.flatMap((m) => m.content);
    const schema = b.outputConfig?.textFormat?.structure.jsonSchema.schema;
    return none({ system: texts(b.system), text: b.messages.filter((m) => m.role === "user").map((m) => texts(m.content)).join(""), images: parts.map((p) => p.image?.source.bytes).filter(Boolean),
      tools: b.toolConfig?.tools.map((x) => x.toolSpec.name), schema: schema && JSON.parse(schema), limit: b.inferenceConfig?.maxTokens,
      calls: parts.filter((p) => p.toolUse).map(({ toolUse: u }) => [u.toolUseId, u.name, u.input]), results: parts.filter((p) => p.toolResult).map(({ toolResult: r }) => [r.toolUseId, texts(r.content)]),
      signatures: parts.map((p) => p.reasoningContent?.reasoningText?.signature).filter(Boolean) });
  },
  cohere(b) {
    const of = (role) => b.messages.filter((m) => m.role === role);
    return none({ system: of("system").map((m) => texts(m.content)).join(""), text: of("user").map((m) => texts(m.content)).join(""),
      images: of("user").flatMap((m) => list(m.content).map((p) => data(p.image_url?.url)).filter(Boolean)), tools: b.tools?.map((x) => x.function.name), schema: b.response_format?.json_schema, limit: b.max_tokens,
      calls: of("assistant").flatMap((m) => (m.tool_calls ?? []).map((c) => [c.id, c.function.name, JSON.parse(c.function.arguments)])),
      results: of("tool").map((m) => [m.tool_call_id, m.content.map((p) => p.document.data.text).join("")]), thoughts: of("assistant").flatMap((m) => list(m.content).map((p) => p.thinking).filter(Boolean)) });
  },
};
