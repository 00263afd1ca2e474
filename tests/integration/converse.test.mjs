// AWS's own SDK as a client: Bedrock's Converse and ConverseStream towards Bedrock (the bytes pass), towards other APIs and the
// built-in echo; with a bearer token and signed; refusals, errors and cuts as that SDK knows them.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { ConverseCommand, ConverseStreamCommand, CountTokensCommand } from "@aws-sdk/client-bedrock-runtime";
import { Bedrock, PROFILE, REGION, awsClient, collect, event, exception } from "./lib/bedrock.mjs";
import { CALLER_KEY, budget, provider, records, route, setting, settled, testTls } from "./lib/setup.mjs";

const MODEL = "arn:aws:bedrock:eu-central-1:1:inference-profile/mock-small:0";
const png = Buffer.from("iVBORw0KGgo=", "base64");
const schema = { type: "object", properties: { dam: { type: "string" } }, required: ["dam"], additionalProperties: false };
const words = "lor ".repeat(10);
const says = (...content) => [{ role: "user", content }];
const ask = (modelId, extra = {}) => ({ modelId, messages: says({ text: "How high is the dam?" }), inferenceConfig: { maxTokens: 100 }, ...extra });
const use = (toolUseId, name, input) => ({ toolUse: { toolUseId, name, input } });
const tools = { tools: [{ toolSpec: { name: "level", description: "Its level.", inputSchema: { json: schema } } }] };

const usage = { inputTokens: 20, outputTokens: 7, totalTokens: 32, cacheReadInputTokens: 3, cacheWriteInputTokens: 2 };
const cost = 20n * 150n + 3n * 75n + 2n * 187n + 1n + 7n * 600n; // the cache writes' half nano-dollars round up
const delta = (contentBlockIndex, d) => event("contentBlockDelta", { contentBlockIndex, delta: d, p: "abc" });
const start = event("messageStart", { role: "assistant" });
const end = [event("contentBlockStop", { contentBlockIndex: 0 }), event("messageStop", { stopReason: "end_turn" }), event("metadata", { usage, metrics: { latencyMs: 1 } })];
const whole = { output: { message: { role: "assistant", content: [{ text: "Größe" }] } }, stopReason: "end_turn", usage, metrics: { latencyMs: 1 }, more: { of: "its own" } };

// Routes br (the caller's own API), to-oa, to-an and the built-in echo.
async function converseSetting(t, { bedrock: plan, more = "", ...rest } = {}) {
  const tls = testTls();
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-aws-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.writeFileSync(path.join(dir, "credentials"), PROFILE, { mode: 0o600 });
  const bedrock = await new Bedrock({ tls: tls.options, plan }).start();
  t.after(() => bedrock.stop());
  const prices = `
apiVersion: weir.dev/v1alpha1
kind: PriceList
metadata: {name: bedrock}
spec:
  prices:
    - {model: "${MODEL}", input: 0.15, output: 0.60, cacheRead: 0.075, cacheWrite: 0.1875, maxOutputTokens: 40000}
---`;
  const to = (name, target) => route(name, [[target]], `  models: [${name}]`);
  const s = await setting(t, { budgets: budget("money", "{usd: 10}"), ...rest, more: prices + `
apiVersion: weir.dev/v1alpha1
kind: Provider
metadata: {name: br}
spec:
  dialect: bedrock
  endpoint: ${bedrock.url}
  region: ${REGION}
  credential: {file: ${path.join(dir, "credentials")}}
  tls: {caFile: ${tls.caFile}}
  models: [{name: "mock-small", upstream: "${MODEL}"}]
---` + to("br", { provider: "br", model: "mock-small" }) + to("to-oa", { provider: "oa", model: "mock-small" }) + to("to-an", { provider: "an", model: "mock-small" }) + `
apiVersion: weir.dev/v1alpha1
kind: Provider
metadata: {name: repeat}
spec: {dialect: echo}
---` + to("echo", { provider: "repeat", model: "mock-small" }) + more });
  return { ...s, bedrock, aws: awsClient(t, s.weir.url) };
}

test("towards Bedrock the bytes pass, streams and counts too, by bearer token or signed, and are billed", async (t) => {
  const { aws, bedrock, weir } = await converseSetting(t, { bedrock: ({ path: p }) => p.endsWith("stream")
    ? { split: 7, events: [start, delta(0, { text: "Grö" }), delta(0, { text: "ße" }), ...end] } : { body: whole } });
  const plain = await aws.send(new ConverseCommand(ask("br", { additionalModelRequestFields: { own: [1] } })));
  assert.deepEqual(plain.output.message.content, [{ text: "Größe" }]);
  assert.deepEqual(plain.usage, usage);
  assert.deepEqual(bedrock.calls[0].body, { messages: says({ text: "How high is the dam?" }), inferenceConfig: { maxTokens: 100 }, additionalModelRequestFields: { own: [1] } });
  assert.equal(bedrock.calls[0].path, `/model/${encodeURIComponent(MODEL)}/converse`);
  const signed = awsClient(t, weir.url, { auth: { credentials: { accessKeyId: CALLER_KEY, secretAccessKey: "unused", sessionToken: "caller-session-canary" } } });
  const out = await collect(await signed.send(new ConverseStreamCommand(ask("br"))));
  assert.deepEqual([out.text, out.reason, out.stops, out.usage.outputTokens], ["Größe", "end_turn", 1, 7]);
  assert.equal((await aws.send(new CountTokensCommand({ modelId: "br", input: { converse: { messages: ask("br").messages } } }))).inputTokens, 9);
  for (const c of bedrock.calls) assert.doesNotMatch(JSON.stringify(c.headers), new RegExp(`${CALLER_KEY}|caller-session-canary|x-amz-content-sha256|x-amz-user-agent`));
  await settled(weir, "money", 2n * cost);
  assert.deepEqual((await records(weir, 3)).map((r) => r.status), [200, 200, 200]);
  assert.deepEqual(bedrock.problems, []);
});

for (const model of ["to-oa", "to-an"])
  test(`${model}: calls and streams are translated, tools make a round trip, and all is billed to the nano-dollar`, async (t) => {
    const { aws, mock, weir } = await converseSetting(t, { plan: (_, n) => (n === 3 ? { toolCall: { name: "level", args: { dam: "Möhne" } }, split: 5 } : { cacheRead: 3 }) });
    const plain = await aws.send(new ConverseCommand(ask(model, { system: [{ text: "Be brief." }] })));
    assert.deepEqual(plain.output.message, { role: "assistant", content: [{ text: words }] });
    assert.equal(plain.stopReason, "end_turn");
    assert.equal(plain.usage.cacheReadInputTokens, 3);
    assert.equal(plain.usage.outputTokens, 10);
    assert.ok(plain.metrics.latencyMs >= 0);
    const out = await collect(await aws.send(new ConverseStreamCommand(ask(model))));
    assert.deepEqual([out.role, out.text, out.reason, out.usage.outputTokens], ["assistant", words, "end_turn", 10]);
    const question = says({ text: "Level?" }, { image: { format: "png", source: { bytes: png } } });
    const called = await collect(await aws.send(new ConverseStreamCommand(ask(model, { messages: question, toolConfig: { ...tools, toolChoice: { any: {} } } }))));
    const { toolUseId, name, input } = called.blocks.find((b) => b.toolUseId);
    assert.deepEqual([name, JSON.parse(input), called.reason], ["level", { dam: "Möhne" }, "tool_use"]);
    await aws.send(new ConverseCommand(ask(model, { toolConfig: tools, messages: [...question, { role: "assistant", content: [use(toolUseId, name, JSON.parse(input))] },
      ...says({ toolResult: { toolUseId, content: [{ json: { metres: 3 } }] } })] })));
    const said = mock.calls[3].body.messages.slice(-2);
    if (model === "to-oa") assert.deepEqual([said[0].tool_calls[0].id, said[1].tool_call_id, said[1].content], [toolUseId, toolUseId, '{"metres":3}']);
    else assert.deepEqual([said[0].content[0].id, said[1].content[0].content], [toolUseId, [{ type: "text", text: '{"metres":3}' }]]);
    await settled(weir, "money", mock.bill);
    assert.deepEqual(mock.problems, []);
  });

test("the SDK's own handler, HTTP/2 by prior knowledge, gets calls and parallel streams", async (t) => {
  const { mock, weir } = await converseSetting(t, { plan: () => ({ split: 9 }) });
  const aws = awsClient(t, weir.url, { http1: false });
  assert.equal((await aws.send(new ConverseCommand(ask("to-an")))).output.message.content[0].text, words);
  const outs = await Promise.all(Array.from({ length: 8 }, async (_, i) => collect(await aws.send(new ConverseStreamCommand(ask(i % 2 ? "to-oa" : "to-an"))))));
  assert.deepEqual(outs.map((o) => [o.text, o.reason]), outs.map(() => [words, "end_turn"]));
  await assert.rejects(aws.send(new ConverseCommand(ask("to-oa", { messages: says({ toolUse: { toolUseId: "t", name: "f", input: 3 } }) }))), (e) => e.name === "ValidationException");
  await settled(weir, "money", mock.bill);
  assert.deepEqual(mock.problems, []);
});

test("the echo answers, whole and streamed, and obeys the limit", async (t) => {
  const { aws } = await converseSetting(t);
  const plain = await aws.send(new ConverseCommand(ask("echo")));
  assert.equal(plain.output.message.content[0].text, "How high is the dam?");
  const out = await collect(await aws.send(new ConverseStreamCommand(ask("echo", { inferenceConfig: { maxTokens: 2 } }))));
  assert.deepEqual([out.text, out.reason, out.usage.outputTokens], ["How high", "max_tokens", 2]);
});

test("refusals and a provider's errors are that SDK's own exceptions, before and inside a stream", async (t) => {
  const broken = { text: `data: ${JSON.stringify({ error: { message: "Slow down.", type: "rate_limit_error", code: "rate_limit_exceeded" } })}\n\n` };
  const half = { text: `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta: { role: "assistant", content: "Half" } }] })}\n\n`, tokens: 1 };
  let arrived;
  const gate = new Promise((r) => (arrived = r));
  const { aws, weir } = await converseSetting(t, { plan: (c) => (c.body.stream ? { events: [half, broken], holdAfter: [1, gate] } : { status: 422 }),
    bedrock: () => ({ events: [start, delta(0, { text: "Half" })], then: gate.then(() => exception("modelStreamErrorException", "It broke.")) }) });
  const stranger = awsClient(t, weir.url, { auth: { token: { token: "weir_sk_nobody" }, authSchemePreference: ["httpBearerAuth"] } });
  const unsigned = awsClient(t, weir.url, { auth: { credentials: { accessKeyId: "AKIANOBODY", secretAccessKey: "x" } } });
  for (const client of [stranger, unsigned])
    await assert.rejects(client.send(new ConverseCommand(ask("br"))), (e) => e.name === "AccessDeniedException" && e.$metadata.httpStatusCode === 401 && e.reason === "invalid_api_key");
  await assert.rejects(aws.send(new ConverseCommand(ask("nothing"))), (e) => e.name === "ServiceQuotaExceededException" && e.$metadata.httpStatusCode === 402 && /no price is known/.test(e.message));
  await assert.rejects(aws.send(new ConverseCommand(ask("to-oa"))), (e) => e.$metadata.httpStatusCode === 422 && e.name === "ValidationException" && e.message === "mock says no");
  const after = async (model) => {
    for await (const e of (await aws.send(new ConverseStreamCommand(ask(model)))).stream) if (e.contentBlockDelta) arrived(assert.equal(e.contentBlockDelta.delta.text, "Half"));
  };
  await assert.rejects(after("to-oa"), (e) => e.name === "ThrottlingException" && e.message === "Slow down.");
  await assert.rejects(after("br"), (e) => e.name === "ModelStreamErrorException" && e.message === "It broke.");
});

for (const model of ["br", "to-an"])
  test(`${model}: a stream beyond its budget is cut with its usage, and a call without any left is refused`, async (t) => {
    const text = "lor ".repeat(16);
    const { aws, weir } = await converseSetting(t, { plan: () => ({ tokens: 20_000 }), budgets: budget("money", "{usd: 0.003}"),
      bedrock: () => ({ split: 4096, events: [start, ...Array.from({ length: 1250 }, () => delta(0, { text })), ...end] }) });
    const large = ask(model, { inferenceConfig: { maxTokens: 30_000 }, additionalModelRequestFields: { thinking: { type: "disabled" } } });
    const out = await collect(await aws.send(new ConverseStreamCommand(large)));
    assert.deepEqual([out.reason, out.stops], ["max_tokens", 2]);
    assert.match(out.text, /Cut by Weir: the budget 'default\/money'/);
    assert.ok(out.usage.outputTokens > 0);
    const [record] = await records(weir, 1);
    assert.equal(record.outcome, "cut");
    await assert.rejects(aws.send(new ConverseCommand(large)), (e) => e.name === "ServiceQuotaExceededException" && e.$metadata.httpStatusCode === 402 && e.reason === "budget_exceeded");
  });

test("silence is filled with events that the SDK skips; models are listed in AWS's shape", async (t) => {
  let go;
  const gate = new Promise((r) => (go = r));
  const { aws, weir } = await converseSetting(t, { proxyArgs: ["--stream-keepalive-ms", "100"], plan: () => ({ holdAfter: [3, gate] }) });
  const response = await aws.send(new ConverseStreamCommand(ask("to-oa")));
  const { modelId, ...body } = ask("to-oa");
  const headers = { authorization: `Bearer ${CALLER_KEY}` };
  const raw = await fetch(`${weir.url}/model/${modelId}/converse-stream`, { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(raw.headers.get("content-type"), "application/vnd.amazon.eventstream");
  let bytes = "";
  for await (const chunk of raw.body) {
    bytes += Buffer.from(chunk).toString("latin1");
    if (bytes.split(":event-type\x07\0\x04ping").length > 2) go();
  }
  assert.equal((await collect(response)).text, words); // its stream was silent for longer
  const list = await fetch(`${weir.url}/foundation-models`, { headers });
  const ids = (await list.json()).modelSummaries.map((m) => m.modelId);
  assert.ok(ids.includes("br") && ids.includes("echo"));
  const one = await fetch(`${weir.url}/bedrock/foundation-models/echo`, { headers });
  assert.equal((await one.json()).modelDetails.modelId, "echo");
});
