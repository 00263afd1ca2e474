// Google's API on either side: the vendor's SDK as a client of every provider, and a strict mock of Google's as the
// provider of every client, streaming and not, with a ledger that equals the provider's bill.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CALLER_KEY } from "./lib/weir.mjs";
import { budget, chat, setting, settled } from "./lib/setup.mjs";
import { chunk, geminiSetting } from "./lib/gemini.mjs";

const words = "lor ".repeat(10);
const png = "iVBORw0KGgo=";
const schema = { type: "object", properties: { dam: { type: "string" } }, required: ["dam"], additionalProperties: false };
const hi = [{ role: "user", parts: [{ text: "How high is the dam?" }] }];

async function collect(stream) {
  const parts = [];
  let last;
  for await (const c of stream) {
    parts.push(...(c.candidates?.[0]?.content?.parts ?? []));
    last = c;
  }
  return { parts, last, text: parts.filter((p) => !p.thought).map((p) => p.text ?? "").join("") };
}

test("genai client, Gemini provider: calls, streams and counts pass, and are billed to the nano-dollar", async (t) => {
  const { genai, google, weir } = await geminiSetting(t, { gemini: () => ({ cached: 3, thoughts: 7, split: 11 }) });
  const config = { maxOutputTokens: 100, systemInstruction: "Be brief.", topK: 3, seed: 7 };
  const whole = await genai.models.generateContent({ model: "gem", contents: "How high is the dam?", config });
  assert.equal(whole.text, words);
  assert.equal(google.calls[0].model, "mock-small");
  assert.equal(google.calls[0].body.generationConfig.seed, 7);
  const { text, last } = await collect(await genai.models.generateContentStream({ model: "gem", contents: "How high is the dam?", config }));
  assert.equal(text, words);
  assert.equal(last.usageMetadata.thoughtsTokenCount, 7);
  const count = await genai.models.countTokens({ model: "gem", contents: "How high is the dam?" });
  assert.ok(count.totalTokens > 0);
  await settled(weir, "money", google.bill);
  assert.deepEqual(google.problems, []);
});

test("the key may be a bearer's or in the query, which never reaches the provider", async (t) => {
  const { google, weir } = await geminiSetting(t);
  const post = (path, headers = {}) => fetch(`${weir.url}${path}`, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify({ contents: hi }) });
  assert.equal((await post(`/v1beta/models/gem:generateContent?key=${CALLER_KEY}`)).status, 200);
  assert.equal((await post(`/v1beta/models/gem:streamGenerateContent?key=${CALLER_KEY}&alt=sse`)).status, 200);
  assert.equal((await post("/v1/models/gem:generateContent", { authorization: `Bearer ${CALLER_KEY}` })).status, 200);
  const wrong = await post("/v1beta/models/gem:generateContent?key=other");
  assert.equal(wrong.status, 401);
  assert.equal((await wrong.json()).error.status, "UNAUTHENTICATED");
  const other = await post("/v1beta/models/gem:streamGenerateContent?alt=proto", { "x-goog-api-key": CALLER_KEY });
  assert.equal(other.status, 400);
  assert.match((await other.json()).error.message, /alt=sse.*alt=json/);
  assert.deepEqual(google.problems, []);
});

test("models are listed in Google's shape", async (t) => {
  const { genai } = await geminiSetting(t);
  const names = [];
  for await (const m of await genai.models.list()) names.push(m.name);
  assert.ok(names.includes("models/gem") && names.includes("models/to-oa"), String(names));
  assert.equal((await genai.models.get({ model: "gem" })).name, "models/gem");
  const first = await genai.models.list({ config: { pageSize: 2 } });
  assert.equal(first.pageLength, 2);
  const paged = [];
  for await (const m of first) paged.push(m.name);
  assert.deepEqual(paged, names);
});

for (const [name, model, path] of [["OpenAI", "to-oa", "/v1/chat/completions"], ["Anthropic", "to-an", "/v1/messages"]])
  test(`genai client, ${name} provider: a plain call, a stream and tools answer and are billed to the nano-dollar`, async (t) => {
    const { genai, mock, weir } = await geminiSetting(t, { plan: (c, n) => (n > 2 && n < 5 ? { toolCall: { name: "level", args: { dam: "Möhne" } } } : { cacheRead: 3 }) });
    const config = { maxOutputTokens: 100, systemInstruction: "Be brief.", temperature: 0.5, stopSequences: ["END"] };
    const whole = await genai.models.generateContent({ model, contents: "How high is the dam?", config });
    assert.equal(whole.text, words);
    assert.equal(whole.candidates[0].finishReason, "STOP");
    assert.equal(whole.usageMetadata.cachedContentTokenCount, 3);
    assert.equal(whole.usageMetadata.candidatesTokenCount, 10);
    assert.equal(mock.calls[0].path, path);
    const { text, last } = await collect(await genai.models.generateContentStream({ model, contents: "How high is the dam?", config }));
    assert.equal(text, words);
    assert.equal(last.candidates[0].finishReason, "STOP");
    assert.equal(last.usageMetadata.candidatesTokenCount, 10);
    const tools = [{ functionDeclarations: [{ name: "level", description: "Water level", parameters: { type: "OBJECT", properties: { dam: { type: "STRING", nullable: true } }, required: ["dam"] } }] }];
    const called = await genai.models.generateContent({ model, contents: "How high?", config: { maxOutputTokens: 100, tools } });
    assert.deepEqual(called.functionCalls.map((c) => [c.name, c.args]), [["level", { dam: "Möhne" }]]);
    const parameters = { type: "object", properties: { dam: { type: ["string", "null"] } }, required: ["dam"] };
    const [tool] = mock.calls[2].body.tools;
    assert.deepEqual(tool.function?.parameters ?? tool.input_schema, parameters);
    const chatted = genai.chats.create({ model, config: { maxOutputTokens: 100, tools } });
    const { parts } = await collect(await chatted.sendMessageStream({ message: "How high?" }));
    const { functionCall } = parts.find((p) => p.functionCall);
    const after = await chatted.sendMessage({ message: { functionResponse: { name: functionCall.name, id: functionCall.id, response: { output: "3 m" } } } });
    assert.equal(after.text, words);
    const said = mock.calls[4].body.messages.slice(-2);
    if (model === "to-oa") assert.deepEqual([said[0].tool_calls[0].id, said[1].tool_call_id, said[1].content], [functionCall.id, functionCall.id, "3 m"]);
    else assert.deepEqual([said[0].content[0].id, said[1].content[0].tool_use_id], [functionCall.id, functionCall.id]);
    await settled(weir, "money", mock.bill);
    assert.deepEqual(mock.problems, []);
  });

test("thinking of an Anthropic provider makes a round trip through the SDK's chat, in one piece with its signature", async (t) => {
  const sse = (type, o, tokens) => ({ text: `event: ${type}\ndata: ${JSON.stringify({ type, ...o })}\n\n`, tokens });
  const delta = (index, d, tokens = 1) => sse("content_block_delta", { index, delta: d }, tokens);
  const events = [
    sse("message_start", { message: { id: "msg_1", type: "message", role: "assistant", model: "mock-small", content: [], stop_reason: null, usage: { input_tokens: 5, output_tokens: 1 } } }),
    sse("content_block_start", { index: 0, content_block: { type: "thinking", thinking: "", signature: "" } }),
    delta(0, { type: "thinking_delta", thinking: "Hm. " }), delta(0, { type: "thinking_delta", thinking: "Well." }), delta(0, { type: "signature_delta", signature: "c2ln" }, 0),
    sse("content_block_stop", { index: 0 }),
    sse("content_block_start", { index: 1, content_block: { type: "redacted_thinking", data: "aGlk" } }), sse("content_block_stop", { index: 1 }),
    sse("content_block_start", { index: 2, content_block: { type: "tool_use", id: "toolu_a", name: "level", input: {} } }), delta(2, { type: "input_json_delta", partial_json: '{"dam":"Eder"}' }),
    sse("content_block_stop", { index: 2 }),
    sse("message_delta", { delta: { stop_reason: "tool_use", stop_sequence: null }, usage: { output_tokens: 3 } }), sse("message_stop", {}),
  ];
  const { genai, mock } = await geminiSetting(t, { plan: (_, n) => (n === 1 ? { events } : {}) });
  const tools = [{ functionDeclarations: [{ name: "level", parametersJsonSchema: schema }] }];
  const chatted = genai.chats.create({ model: "to-an", config: { maxOutputTokens: 100, tools, thinkingConfig: { thinkingLevel: "HIGH", includeThoughts: true } } });
  const { parts } = await collect(await chatted.sendMessageStream({ message: "How high?" }));
  assert.deepEqual(parts.filter((p) => p.functionCall).map((p) => p.functionCall.name), ["level"]);
  assert.equal(parts.filter((p) => p.thought).map((p) => p.text).join(""), "Hm. Well.");
  await chatted.sendMessage({ message: { functionResponse: { name: "level", response: { error: "dry" } } } });
  assert.deepEqual(mock.calls[0].body.output_config, { effort: "high" });
  assert.deepEqual(mock.calls[1].body.messages.slice(1), [
    { role: "assistant", content: [{ type: "thinking", thinking: "Hm. Well.", signature: "c2ln" }, { type: "redacted_thinking", data: "aGlk" },
      { type: "tool_use", id: "toolu_a", name: "level", input: { dam: "Eder" } }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_a", content: [{ type: "text", text: "dry" }], is_error: true }] }]);
  assert.deepEqual(mock.problems, []);
});

test("openai and anthropic clients, Gemini provider: plain calls and streams answer and are billed to the nano-dollar", async (t) => {
  const { openai, anthropic, google, weir } = await geminiSetting(t, { gemini: () => ({ cached: 3, thoughts: 7, split: 5 }) });
  const whole = await openai.chat.completions.create(chat({ model: "to-go", temperature: 1.5, stop: ["END"], top_p: 0.5 }));
  assert.equal(whole.choices[0].message.content, words);
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.equal(whole.usage.completion_tokens, 17);
  assert.equal(whole.usage.completion_tokens_details.reasoning_tokens, 7);
  assert.equal(whole.usage.prompt_tokens_details.cached_tokens, 3);
  assert.deepEqual(google.calls[0].body, { contents: hi, generationConfig: { temperature: 1.5, topP: 0.5, stopSequences: ["END"], maxOutputTokens: 100 } });
  const final = await openai.chat.completions.stream(chat({ model: "to-go", stream_options: { include_usage: true } })).finalChatCompletion();
  assert.equal(final.choices[0].message.content, words);
  assert.equal(final.usage.completion_tokens, 17);
  const said = await anthropic.messages.create(chat({ model: "to-go", system: "Be brief." }));
  assert.equal(said.content[0].text, words);
  assert.equal(said.usage.cache_read_input_tokens, 3);
  assert.deepEqual(google.calls[2].body.systemInstruction, { parts: [{ text: "Be brief." }] });
  const streamed = await anthropic.messages.stream(chat({ model: "to-go" })).finalMessage();
  assert.equal(streamed.content[0].text, words);
  assert.equal(streamed.usage.output_tokens, 17);
  await settled(weir, "money", google.bill);
  assert.deepEqual(google.problems, []);
});

const calls = [{ text: "Hm.", thought: true }, { functionCall: { name: "level", args: { dam: "Möhne" } }, thoughtSignature: "c2ln" }, { functionCall: { name: "level", args: { dam: "Eder" } } }];
const back = [{ functionCall: { id: 1, name: "level", args: { dam: "Möhne" } }, thoughtSignature: "c2ln" }, { functionCall: { id: 2, name: "level", args: { dam: "Eder" } } }];

test("parallel calls and thoughts of a Gemini provider make a round trip through an openai client", async (t) => {
  const { openai, google } = await geminiSetting(t, { gemini: (_, n) => (n === 1 ? { parts: calls, split: 7 } : {}) });
  const tools = [{ type: "function", function: { name: "level", description: "Water level", parameters: schema, strict: true } }];
  const first = await openai.chat.completions.stream(chat({ model: "to-go", tools, tool_choice: "auto", reasoning_effort: "high" })).finalChatCompletion();
  const { message, finish_reason } = first.choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.equal(message.reasoning_content, "Hm.");
  assert.deepEqual(message.tool_calls.map((c) => [c.function.name, JSON.parse(c.function.arguments)]), [["level", { dam: "Möhne" }], ["level", { dam: "Eder" }]]);
  const [a, b] = message.tool_calls.map((c) => c.id);
  assert.ok(a && b && a !== b);
  assert.deepEqual(google.calls[0].body.tools, [{ functionDeclarations: [{ name: "level", description: "Water level", parametersJsonSchema: schema }] }]);
  assert.deepEqual(google.calls[0].body.toolConfig, { functionCallingConfig: { mode: "VALIDATED" } });
  assert.deepEqual(google.calls[0].body.generationConfig.thinkingConfig, { thinkingBudget: 24576, includeThoughts: true });
  const { parsed, ...said } = message;
  for (const c of said.tool_calls) delete c.function.parsed_arguments;
  await openai.chat.completions.create(chat({ model: "to-go", tools, messages: [...chat().messages, said,
    { role: "tool", tool_call_id: a, content: "3 m" }, { role: "tool", tool_call_id: b, content: "4 m" }] }));
  assert.deepEqual(google.calls[1].body.contents.slice(1), [
    { role: "model", parts: back.map((p, i) => ({ ...p, functionCall: { ...p.functionCall, id: [a, b][i] } })) },
    { role: "user", parts: [{ functionResponse: { id: a, name: "level", response: { output: "3 m" } } }, { functionResponse: { id: b, name: "level", response: { output: "4 m" } } }] }]);
  assert.deepEqual(google.problems, []);
});

test("parallel calls and thoughts of a Gemini provider make a round trip through an anthropic client", async (t) => {
  const { anthropic, google } = await geminiSetting(t, { gemini: (_, n) => (n === 1 ? { parts: calls, split: 3 } : {}) });
  const tools = [{ name: "level", input_schema: schema }];
  const first = await anthropic.messages.stream(chat({ model: "to-go", tools, tool_choice: { type: "tool", name: "level" } })).finalMessage();
  assert.equal(first.stop_reason, "tool_use");
  assert.deepEqual(first.content.map((c) => c.type), ["thinking", "redacted_thinking", "tool_use", "tool_use"]);
  const [a, b] = first.content.filter((c) => c.type === "tool_use").map((c) => c.id);
  assert.deepEqual(google.calls[0].body.toolConfig, { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["level"] } });
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: png } };
  await anthropic.messages.create(chat({ model: "to-go", tools, messages: [...chat().messages, { role: "assistant", content: first.content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: a, is_error: true, content: [{ type: "text", text: "dark" }, image] }, { type: "tool_result", tool_use_id: b, content: "4 m" }, { type: "text", text: "So?" }] }] }));
  assert.deepEqual(google.calls[1].body.contents.slice(1), [
    { role: "model", parts: back.map((p, i) => ({ ...p, functionCall: { ...p.functionCall, id: [a, b][i] } })) },
    { role: "user", parts: [{ functionResponse: { id: a, name: "level", response: { error: "dark" } } }, { functionResponse: { id: b, name: "level", response: { output: "4 m" } } }] },
    { role: "user", parts: [{ inlineData: { mimeType: "image/png", data: png } }, { text: "So?" }] }]);
  assert.deepEqual(google.problems, []);
});

test("images and structured output are carried both ways", async (t) => {
  const { openai, genai, mock, google } = await geminiSetting(t);
  await openai.chat.completions.create(chat({ model: "to-go",
    messages: [{ role: "user", content: [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } }] }],
    response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } } }));
  assert.deepEqual(google.calls[0].body.contents[0].parts, [{ text: "What is it?" }, { inlineData: { mimeType: "image/png", data: png } }]);
  const { responseMimeType, responseJsonSchema } = google.calls[0].body.generationConfig;
  assert.deepEqual([responseMimeType, responseJsonSchema], ["application/json", schema]);
  await genai.models.generateContent({ model: "to-oa", contents: [{ role: "user", parts: [{ text: "What is it?" }, { inlineData: { mimeType: "image/png", data: png } }] }],
    config: { maxOutputTokens: 100, responseMimeType: "application/json", responseSchema: { type: "OBJECT", properties: { dam: { type: "STRING" } } } } });
  assert.deepEqual(mock.calls[0].body.messages[0].content[1], { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } });
  assert.deepEqual(mock.calls[0].body.response_format, { type: "json_schema", json_schema: { name: "answer", strict: false, schema: { type: "object", properties: { dam: { type: "string" } } } } });
  assert.deepEqual([...mock.problems, ...google.problems], []);
});

test("a blocked answer is a filter's, a blocked prompt too, and a full one a limit's", async (t) => {
  let kind;
  const { openai, anthropic } = await geminiSetting(t, { gemini: () => kind });
  const ends = async () => {
    const whole = await openai.chat.completions.create(chat({ model: "to-go" }));
    const streamed = await anthropic.messages.stream(chat({ model: "to-go" })).finalMessage();
    return [whole.choices[0].finish_reason, streamed.stop_reason];
  };
  kind = { finishReason: "SAFETY" };
  assert.deepEqual(await ends(), ["content_filter", "refusal"]);
  kind = { finishReason: "MAX_TOKENS" };
  assert.deepEqual(await ends(), ["length", "max_tokens"]);
  kind = { chunks: [{ promptFeedback: { blockReason: "SAFETY" }, usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 }, modelVersion: "mock-small" }] };
  const blocked = await anthropic.messages.stream(chat({ model: "to-go" })).finalMessage();
  assert.equal(blocked.stop_reason, "refusal");
});

test("errors keep status and message in the client's shape, before and inside a stream; a cut stream is an error", async (t) => {
  let kind = { status: 422, statusName: "INVALID_ARGUMENT" };
  const { openai, anthropic, genai } = await geminiSetting(t, { gemini: () => kind, plan: () => ({ status: 422 }) });
  await assert.rejects(openai.chat.completions.create(chat({ model: "to-go" })), (e) => e.status === 422 && /mock says no/.test(e.message));
  await assert.rejects(anthropic.messages.create(chat({ model: "to-go" })), (e) => e.status === 422 && e.error.error.message === "mock says no");
  await assert.rejects(genai.models.generateContent({ model: "to-oa", contents: "hi" }), (e) => e.status === 422 && /mock says no/.test(e.message));
  // The provider goes on when the client has its first chunk: what comes then cannot be retried.
  const after = async (chunks, start) => {
    let open;
    kind = { chunks: [chunk([{ text: "lor " }]), ...chunks], gate: new Promise((r) => (open = r)) };
    for await (const c of await start()) open(c);
  };
  const stream = () => genai.models.generateContentStream({ model: "gem", contents: "hi" });
  const failure = { error: { code: 503, message: "Overloaded", status: "UNAVAILABLE" } };
  await assert.rejects(after([failure], stream), (e) => e.status === 503);
  await assert.rejects(after([failure], () => openai.chat.completions.create(chat({ model: "to-go", stream: true }))), /Overloaded/);
  await assert.rejects(after([], stream), (e) => e.status === 502 && /broke off/.test(e.message));
});

test("what the provider cannot express is dropped and named, or strictly refused by its name", async (t) => {
  const lenient = await geminiSetting(t);
  const post = (weir, model, body) => fetch(`${weir.url}/v1beta/models/${model}:generateContent`, { method: "POST", headers: { "x-goog-api-key": CALLER_KEY }, body: JSON.stringify(body) });
  const body = { contents: hi, safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_NONE" }], tools: [{ googleSearch: {} }], labels: { a: "b" }, generationConfig: { seed: 7, topK: 3 } };
  const answer = await post(lenient.weir, "to-oa", body);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("x-weir-dropped"), "safetySettings, tools.googleSearch, labels, generationConfig.seed, generationConfig.topK");
  const { response } = await lenient.openai.chat.completions.create(chat({ model: "to-go", seed: 7, parallel_tool_calls: false, tools: [{ type: "function", function: { name: "f" } }] })).withResponse();
  assert.equal(response.headers.get("x-weir-dropped"), "seed, parallel_tool_calls");
  const strict = await geminiSetting(t, { extra: "  translation: strict" });
  const refused = await post(strict.weir, "to-oa", body);
  assert.equal(refused.status, 400);
  assert.match((await refused.json()).error.message, /'safetySettings'/);
});

// Reads the array while it grows: how many elements were whole at each piece, and all of them at the end.
async function readArray(response) {
  let text = "", pieces = 0;
  for await (const c of response.body) {
    text += Buffer.from(c).toString();
    pieces++;
  }
  return { text, pieces, elements: JSON.parse(text) };
}

test("a stream without alt=sse is one JSON array that grows, from Google's own models and from others', whole, cut or broken", async (t) => {
  let plan = { split: 7 };
  const s = await geminiSetting(t, { gemini: () => plan, plan: () => plan });
  const ask = (model, query = "") => fetch(`${s.weir.url}/v1beta/models/${model}:streamGenerateContent${query}`, { method: "POST",
    headers: { "content-type": "application/json", "x-goog-api-key": CALLER_KEY }, body: JSON.stringify({ contents: hi, generationConfig: { maxOutputTokens: 100 } }) });
  for (const [model, query] of [["gem", ""], ["gem", "?alt=json"], ["to-oa", ""], ["to-an", ""]]) {
    const response = await ask(model, query);
    assert.match(response.headers.get("content-type"), /^application\/json/);
    const { elements } = await readArray(response);
    assert.ok(elements.length > 1, model);
    assert.equal(elements.flatMap((e) => e.candidates?.[0]?.content?.parts ?? []).map((p) => p.text ?? "").join(""), words, model);
    assert.equal(elements.at(-1).candidates[0].finishReason, "STOP");
    assert.ok(elements.at(-1).usageMetadata.totalTokenCount > 0);
  }
  assert.ok(s.google.calls.every((c) => c.query.get("alt") === "sse"), "the provider is asked for events, which can be metered and cut");
  plan = { cutAfter: 4 };
  const { elements } = await readArray(await ask("to-oa"));
  assert.match(elements.at(-1).error.message, /broke off/);
  assert.deepEqual(s.google.problems, []);
});

test("an array stream is cut where its budget ends, as a whole array with a finish reason", async (t) => {
  const s = await setting(t, { plan: () => ({ tokens: 20_000 }), budgets: budget("money", "{usd: 0.003}") });
  const response = await fetch(`${s.weir.url}/v1beta/models/mock-small:streamGenerateContent`, { method: "POST", headers: { "content-type": "application/json", "x-goog-api-key": CALLER_KEY },
    body: JSON.stringify({ contents: hi, generationConfig: { maxOutputTokens: 900_000, thinkingConfig: { thinkingBudget: 0 } } }) });
  assert.equal(response.status, 200);
  const { elements } = await readArray(response);
  assert.equal(elements.at(-1).candidates[0].finishReason, "MAX_TOKENS");
});
