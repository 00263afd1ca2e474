// The vendors' SDKs behind one face: run(client, call, stream) asks and gives what came back as {text, refusal, reason, calls, finish, usage},
// and `said`, the answer as the SDK's user puts it into the next turn.
//
// A call is {model, system, turns, tools, schema, limit}; a turn {user: [{text} or {image}]}, {said} or {results: [{id, name, text}]}.
import { ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { collect } from "./bedrock.mjs";

const DESCRIPTION = "Tells it.";
const parameters = { type: "object", properties: { of: { type: "string" } }, required: ["of"], additionalProperties: false };
const url = (image) => `data:image/png;base64,${image}`;

const chat = {
  finish: { stop: "stop", sequence: "stop", length: "length", tools: "tool_calls", filter: "content_filter" },
  turn: {
    user: (parts) => [{ role: "user", content: parts.map((p) => (p.image ? { type: "image_url", image_url: { url: url(p.image) } } : { type: "text", text: p.text })) }],
    said: (m) => [m],
    results: (list) => list.map((r) => ({ role: "tool", tool_call_id: r.id, content: r.text })),
  },
  params: (c, messages) => ({ model: c.model, max_completion_tokens: c.limit, messages: [...(c.system ? [{ role: "system", content: c.system }] : []), ...messages],
    ...(c.tools && { tools: c.tools.map((name) => ({ type: "function", function: { name, description: DESCRIPTION, parameters } })) }),
    ...(c.schema && { response_format: { type: "json_schema", json_schema: { name: "answer", schema: c.schema, strict: true } } }) }),
  async run({ openai }, params, stream) {
    const heard = { reasoning_content: "", reasoning_details: [] };
    const listen = ({ choices: [c] }) => {
      heard.reasoning_content += c?.delta.reasoning_content ?? "";
      heard.reasoning_details.push(...(c?.delta.reasoning_details ?? []));
    };
    const body = stream ? await openai.chat.completions.stream({ ...params, stream_options: { include_usage: true } }).on("chunk", listen).finalChatCompletion() : await openai.chat.completions.create(params);
    const { message: { parsed, ...message }, finish_reason } = body.choices[0];
    if (heard.reasoning_content) Object.assign(message, heard); // of fields that it doesn't know the SDK keeps the last piece only
    for (const c of message.tool_calls ?? []) delete c.function.parsed_arguments;
    return { text: message.content ?? "", refusal: message.refusal ?? "", reason: message.reasoning_content ?? "", calls: (message.tool_calls ?? []).map((c) => [c.id, c.function.name, JSON.parse(c.function.arguments)]), finish: finish_reason,
      usage: [body.usage.prompt_tokens, body.usage.prompt_tokens_details.cached_tokens, body.usage.completion_tokens], said: message };
  },
};

const responses = {
  finish: { stop: "completed", sequence: "completed", length: "max_output_tokens", tools: "completed", filter: "content_filter" },
  turn: {
    user: (parts) => [{ role: "user", content: parts.map((p) => (p.image ? { type: "input_image", image_url: url(p.image), detail: "auto" } : { type: "input_text", text: p.text })) }],
    said: (items) => items,
    results: (list) => list.map((r) => ({ type: "function_call_output", call_id: r.id, output: r.text })),
  },
  params: (c, input) => ({ model: c.model, max_output_tokens: c.limit, store: false, include: ["reasoning.encrypted_content"], input, ...(c.system && { instructions: c.system }),
    ...(c.tools && { tools: c.tools.map((name) => ({ type: "function", name, description: DESCRIPTION, parameters, strict: true })) }),
    ...(c.schema && { text: { format: { type: "json_schema", name: "answer", schema: c.schema, strict: true } } }) }),
  async run({ openai }, params, stream) {
    const r = stream ? await openai.responses.stream(params).finalResponse() : await openai.responses.create(params);
    const of = (type) => r.output.filter((i) => i.type === type);
    for (const i of r.output) {
      delete i.parsed_arguments;
      for (const p of i.content ?? []) delete p.parsed;
    }
    return { text: of("message").flatMap((i) => i.content).map((p) => p.text ?? "").join(""), refusal: of("message").flatMap((i) => i.content).map((p) => p.refusal ?? "").join(""), reason: of("reasoning").flatMap((i) => i.summary).map((p) => p.text).join(""),
      calls: of("function_call").map((i) => [i.call_id, i.name, JSON.parse(i.arguments)]), finish: r.incomplete_details?.reason ?? r.status,
      usage: [r.usage.input_tokens, r.usage.input_tokens_details.cached_tokens, r.usage.output_tokens], said: r.output };
  },
};

const messages = {
  finish: { stop: "end_turn", sequence: "stop_sequence", length: "max_tokens", tools: "tool_use", filter: "refusal" },
  turn: {
    user: (parts) => [{ role: "user", content: parts.map((p) => (p.image ? { type: "image", source: { type: "base64", media_type: "image/png", data: p.image } } : { type: "text", text: p.text })) }],
    said: (content) => [{ role: "assistant", content }],
    results: (list) => [{ role: "user", content: list.map((r) => ({ type: "tool_result", tool_use_id: r.id, content: r.text })) }],
  },
  params: (c, list) => ({ model: c.model, max_tokens: c.limit, messages: list, ...(c.system && { system: c.system }),
    ...(c.tools && { tools: c.tools.map((name) => ({ name, description: DESCRIPTION, input_schema: parameters })) }), ...(c.schema && { output_config: { format: { type: "json_schema", schema: c.schema } } }) }),
  async run({ anthropic }, params, stream) {
    const m = stream ? await anthropic.messages.stream(params).finalMessage() : await anthropic.messages.create(params);
    const of = (type) => m.content.filter((b) => b.type === type);
    return { text: of("text").map((b) => b.text).join(""), reason: of("thinking").map((b) => b.thinking).join(""), calls: of("tool_use").map((b) => [b.id, b.name, b.input]), finish: m.stop_reason,
      usage: [m.usage.input_tokens + m.usage.cache_read_input_tokens, m.usage.cache_read_input_tokens, m.usage.output_tokens], said: m.content };
  },
};

const gemini = {
  finish: { stop: "STOP", sequence: "STOP", length: "MAX_TOKENS", tools: "STOP", filter: "SAFETY" },
  turn: {
    user: (parts) => [{ role: "user", parts: parts.map((p) => (p.image ? { inlineData: { mimeType: "image/png", data: p.image } } : { text: p.text })) }],
    said: (parts) => [{ role: "model", parts }],
    results: (list) => [{ role: "user", parts: list.map((r) => ({ functionResponse: { id: r.id, name: r.name, response: { output: r.text } } })) }],
  },
  params: (c, contents) => ({ model: c.model, contents, config: { maxOutputTokens: c.limit, ...(c.system && { systemInstruction: c.system }),
    ...(c.tools && { tools: [{ functionDeclarations: c.tools.map((name) => ({ name, description: DESCRIPTION, parametersJsonSchema: parameters })) }] }),
    ...(c.schema && { responseMimeType: "application/json", responseJsonSchema: c.schema }) } }),
  async run({ genai }, params, stream) {
    const chunks = [];
    if (stream) for await (const c of await genai.models.generateContentStream(params)) chunks.push(c);
    else chunks.push(await genai.models.generateContent(params));
    const parts = chunks.flatMap((c) => c.candidates?.[0]?.content?.parts ?? []);
    const { usageMetadata: u } = chunks.at(-1);
    return { text: parts.filter((p) => !p.thought).map((p) => p.text ?? "").join(""), reason: parts.filter((p) => p.thought).map((p) => p.text ?? "").join(""),
      calls: parts.filter((p) => p.functionCall).map(({ functionCall: c }) => [c.id, c.name, c.args]), finish: chunks.at(-1).candidates[0].finishReason,
      usage: [u.promptTokenCount, u.cachedContentTokenCount, u.candidatesTokenCount + (u.thoughtsTokenCount ?? 0)], said: parts };
  },
};

const use = (b) => ({ toolUse: { toolUseId: b.toolUseId, name: b.name, input: JSON.parse(b.input) } });
const reasoning = (b) => ({ reasoningContent: b.redacted ? { redactedContent: b.redacted } : { reasoningText: { text: b.reasoning, signature: b.signature } } });

const bedrock = {
  finish: { stop: "end_turn", sequence: "stop_sequence", length: "max_tokens", tools: "tool_use", filter: "content_filtered" },
  turn: {
    user: (parts) => [{ role: "user", content: parts.map((p) => (p.image ? { image: { format: "png", source: { bytes: Buffer.from(p.image, "base64") } } } : { text: p.text })) }],
    said: (content) => [{ role: "assistant", content }],
    results: (list) => [{ role: "user", content: list.map((r) => ({ toolResult: { toolUseId: r.id, content: [{ text: r.text }] } })) }],
  },
  params: (c, list) => ({ modelId: c.model, messages: list, inferenceConfig: { maxTokens: c.limit }, ...(c.system && { system: [{ text: c.system }] }),
    ...(c.tools && { toolConfig: { tools: c.tools.map((name) => ({ toolSpec: { name, description: DESCRIPTION, inputSchema: { json: parameters } } })) } }),
    ...(c.schema && { outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema: { name: "answer", schema: JSON.stringify(c.schema) } } } } }) }),
  async run({ aws }, params, stream) {
    let content, stopReason, usage;
    if (stream) {
      const out = await collect(await aws.send(new ConverseStreamCommand(params)));
      content = out.blocks.map((b) => (b.toolUseId ? use(b) : b.text ? { text: b.text } : reasoning(b)));
      ({ reason: stopReason, usage } = out);
    } else ({ output: { message: { content } }, stopReason, usage } = await aws.send(new ConverseCommand(params)));
    return { text: content.map((b) => b.text ?? "").join(""), reason: content.map((b) => b.reasoningContent?.reasoningText?.text ?? "").join(""),
      calls: content.filter((b) => b.toolUse).map(({ toolUse: u }) => [u.toolUseId, u.name, u.input]), finish: stopReason,
      usage: [usage.inputTokens + usage.cacheReadInputTokens, usage.cacheReadInputTokens, usage.outputTokens], said: content };
  },
};

export const callers = { chat, responses, messages, gemini, bedrock };

export function call(caller, clients, c, stream) {
  const turns = c.turns.flatMap((x) => Object.entries(x).flatMap(([kind, value]) => caller.turn[kind](value)));
  return caller.run(clients, caller.params(c, turns), stream);
}
