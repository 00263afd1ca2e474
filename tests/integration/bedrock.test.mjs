// Clients of OpenAI's and Anthropic's APIs at Bedrock: signed requests, binary streams, and a ledger that equals the bill.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Bedrock, PROFILE, REGION, event, exception } from "./lib/bedrock.mjs";
import { Weir, agent, budget, chat, clients, prices, route, settled, testTls } from "./lib/setup.mjs";

const MODEL = "arn:aws:bedrock:eu-central-1:1:inference-profile/mock-small:0";

async function setting(t, { plan, credential = PROFILE, bearer }) {
  const tls = testTls();
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-aws-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.writeFileSync(path.join(dir, "credentials"), credential, { mode: 0o600 });
  const bedrock = await new Bedrock({ tls: tls.options, plan, bearer }).start();
  t.after(() => bedrock.stop());
  const policy = prices.replace("model: mock-small", `model: "${MODEL}"`) + agent("tester") + `
apiVersion: weir.dev/v1alpha1
kind: Provider
metadata: {name: br}
spec:
  dialect: bedrock
  endpoint: ${bedrock.url}
  region: ${REGION}
  credential: {file: ${path.join(dir, "credentials")}}
  tls: {caFile: ${tls.caFile}}
  models: [{name: mock-small, upstream: "${MODEL}"}]
---` + route("all", [["br"]]) + budget("money", "{usd: 10}");
  const weir = await Weir.start(t, { policy });
  return { bedrock, weir, ...clients(weir.url) };
}

const usage = { inputTokens: 20, outputTokens: 7, totalTokens: 32, cacheReadInputTokens: 3, cacheWriteInputTokens: 2 };
const cost = 20n * 150n + 3n * 75n + 2n * 187n + 1n + 7n * 600n; // the cache writes' half nano-dollars round up
const delta = (contentBlockIndex, d) => event("contentBlockDelta", { contentBlockIndex, delta: d, p: "abc" });
const stop = (contentBlockIndex) => event("contentBlockStop", { contentBlockIndex });
const start = event("messageStart", { role: "assistant" });
const end = (stopReason) => [event("messageStop", { stopReason }), event("metadata", { usage, metrics: { latencyMs: 1 } })];
const whole = (content, stopReason) => ({ body: { output: { message: { role: "assistant", content } }, stopReason, usage, metrics: { latencyMs: 1 } } });
const use = (toolUseId, name, input) => ({ toolUse: { toolUseId, name, input } });

test("T-19: an openai client's plain call and stream are signed, answered and billed", async (t) => {
  const { bedrock, weir, openai } = await setting(t, { plan: ({ path: p }) => p.endsWith("stream")
    ? { split: 7, events: [start, delta(0, { text: "Grö" }), delta(0, { text: "ße" }), stop(0), ...end("end_turn")] } : whole([{ text: "Größe" }], "max_tokens") });
  const plain = await openai.chat.completions.create(chat({ temperature: 0.5, stop: ["x"] }));
  assert.equal(plain.choices[0].message.content, "Größe");
  assert.equal(plain.choices[0].finish_reason, "length");
  assert.equal(plain.model, MODEL);
  assert.ok(plain.id);
  assert.deepEqual([plain.usage.prompt_tokens, plain.usage.completion_tokens, plain.usage.prompt_tokens_details.cached_tokens], [25, 7, 3]);
  const name = encodeURIComponent(MODEL);
  assert.equal(bedrock.calls[0].path, `/model/${name}/converse`);
  assert.deepEqual(bedrock.calls[0].body, { messages: [{ role: "user", content: [{ text: "How high is the dam?" }] }],
    inferenceConfig: { temperature: 0.5, stopSequences: ["x"], maxTokens: 100 } });
  const final = await openai.chat.completions.stream(chat({ stream_options: { include_usage: true } })).finalChatCompletion();
  assert.equal(final.choices[0].message.content, "Größe");
  assert.equal(final.choices[0].finish_reason, "stop");
  assert.equal(final.usage.completion_tokens, 7);
  assert.equal(bedrock.calls[1].path, `/model/${name}/converse-stream`);
  await settled(weir, "money", 2n * cost);
  assert.deepEqual(bedrock.problems, []);
});

test("an anthropic client's parallel tools, their results, images and signed reasoning make the round trip", async (t) => {
  const { bedrock, anthropic } = await setting(t, { plan: (_, n) => n === 1
    ? { split: 1, events: [start, delta(0, { reasoningContent: { text: "Hm." } }), delta(0, { reasoningContent: { signature: "c2ln" } }), stop(0),
      event("contentBlockStart", { contentBlockIndex: 1, start: { toolUse: { toolUseId: "t_1", name: "level" } } }), delta(1, { toolUse: { input: '{"dam":' } }),
      delta(1, { toolUse: { input: '"Möhne"}' } }), stop(1),
      event("contentBlockStart", { contentBlockIndex: 2, start: { toolUse: { toolUseId: "t_2", name: "flow" } } }), stop(2), ...end("tool_use")] }
    : whole([{ reasoningContent: { redactedContent: "cmVk" } }, { text: "Done." }, use("t_3", "level", { dam: "Eder" })], "tool_use") });
  const tools = [{ name: "level", description: "Its level.", input_schema: { type: "object" } }];
  const ask = { role: "user", content: [{ type: "text", text: "Level?" }, { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } }] };
  const first = await anthropic.messages.stream(chat({ tools, tool_choice: { type: "any" }, system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }], messages: [ask] })).finalMessage();
  assert.equal(first.stop_reason, "tool_use");
  assert.deepEqual(first.content.map((c) => [c.type, c.id, c.thinking ?? c.input]), [
    ["thinking", undefined, "Hm."], ["tool_use", "t_1", { dam: "Möhne" }], ["tool_use", "t_2", {}]]);
  assert.equal(first.usage.cache_read_input_tokens, 3);
  const body = bedrock.calls[0].body;
  assert.deepEqual(body.system, [{ text: "Be brief." }, { cachePoint: { type: "default" } }]);
  assert.deepEqual(body.messages[0].content[1], { image: { format: "png", source: { bytes: "iVBORw0KGgo=" } } });
  assert.deepEqual(body.toolConfig, { tools: [{ toolSpec: { name: "level", description: "Its level.", inputSchema: { json: { type: "object" } } } }], toolChoice: { any: {} } });
  const results = [{ type: "tool_result", tool_use_id: "t_1", content: "212 m" }, { type: "tool_result", tool_use_id: "t_2", is_error: true, content: [{ type: "text", text: "dry" }] }];
  const second = await anthropic.messages.create(chat({ tools, messages: [ask, { role: "assistant", content: first.content }, { role: "user", content: results }] }));
  assert.deepEqual(second.content.map((c) => [c.type, c.text ?? c.input]), [["redacted_thinking", undefined], ["text", "Done."], ["tool_use", { dam: "Eder" }]]);
  const [, said, told] = bedrock.calls[1].body.messages;
  assert.deepEqual(said.content, [{ reasoningContent: { reasoningText: { text: "Hm.", signature: "c2ln" } } }, use("t_1", "level", { dam: "Möhne" }), use("t_2", "flow", {})]);
  assert.deepEqual(told.content, [{ toolResult: { toolUseId: "t_1", content: [{ text: "212 m" }] } },
    { toolResult: { toolUseId: "t_2", content: [{ text: "dry" }], status: "error" } }]);
  assert.deepEqual(bedrock.problems, []);
});

test("an API key goes as a bearer token; a refusal and an exception reach the client as its own errors", async (t) => {
  let half;
  const arrived = new Promise((r) => (half = r));
  const { bedrock, openai } = await setting(t, { credential: "bedrock-api-key-canary\n", bearer: "bedrock-api-key-canary", plan: (_, n) => n === 1
    ? { status: 400, body: { message: "The provided model identifier is invalid." } }
    : { events: [start, delta(0, { text: "Half" })], then: arrived.then(() => exception("modelStreamErrorException", "It broke.")) } });
  await assert.rejects(openai.chat.completions.create(chat()), (e) => e.status === 400 && /model identifier is invalid/.test(e.message));
  let text = "";
  await assert.rejects(async () => {
    for await (const c of await openai.chat.completions.create(chat({ stream: true }))) {
      text += c.choices[0]?.delta.content ?? "";
      if (text) half();
    }
  }, /It broke\./);
  assert.equal(text, "Half");
  assert.deepEqual(bedrock.problems, []);
});

test("an exception before any content, and a damaged frame, are tried again with a signature of their own", async (t) => {
  const bad = Buffer.from(start);
  bad[bad.length - 1] ^= 1;
  const { bedrock, openai } = await setting(t, { plan: (_, n) => n === 1 ? { events: [exception("throttlingException", "Slow down.")] }
    : n === 2 ? { events: [bad] } : { events: [start, delta(0, { text: "Yes" }), stop(0), ...end("end_turn")] } });
  const final = await openai.chat.completions.stream(chat()).finalChatCompletion();
  assert.equal(final.choices[0].message.content, "Yes");
  assert.equal(bedrock.calls.length, 3);
  assert.deepEqual(bedrock.problems, []);
});
