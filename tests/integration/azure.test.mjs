// Azure OpenAI behind Weir: the vendor's own client is the oracle for paths and headers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AzureOpenAI } from "openai";
import { Mock, Weir, agent, budget, chat, clients, prices, route, settled, testTls } from "./lib/setup.mjs";

const KEY = "azure-key-canary-77";
const FILTERS = { hate: { filtered: false, severity: "safe" } };

async function setting(t, { plan, spec = "", path = "", budgets = "" } = {}) {
  const tls = testTls();
  const mock = await new Mock({ tls: tls.options, plan, key: null }).start();
  t.after(() => mock.stop());
  const policy = prices.replace("model: mock-small", "model: my-gpt deployment") + agent("tester") + `
apiVersion: weir.dev/v1alpha1
kind: Provider
metadata: {name: az}
spec:
  dialect: azure
  endpoint: ${mock.url}${path}
  credential: {env: AZURE_KEY}
  tls: {caFile: ${tls.caFile}}
  models: [{name: mock-small, upstream: my-gpt deployment}]${spec}
---` + route("all", [["az"]]) + budgets;
  const weir = await Weir.start(t, { policy, env: { AZURE_KEY: KEY } });
  return { mock, weir, tls, ...clients(weir.url) };
}

// What the vendor's client would have sent to the same resource.
async function oracle(t, options) {
  const mock = await new Mock({ key: null }).start();
  t.after(() => mock.stop());
  await new AzureOpenAI({ apiKey: KEY, maxRetries: 0, ...options(mock.url) }).chat.completions.create(chat({ model: "my-gpt deployment" }));
  const [{ method, path, headers }] = mock.calls;
  return { method, path, key: headers["api-key"], authorization: headers.authorization };
}

const sent = ({ method, path, headers }) => ({ method, path, key: headers["api-key"], authorization: headers.authorization });

test("a deployment's path, its api-version and the key's header are those of the vendor's client", async (t) => {
  const expected = await oracle(t, (endpoint) => ({ endpoint, apiVersion: "2024-10-21" }));
  const { mock, openai, anthropic } = await setting(t, { spec: "\n  apiVersion: 2024-10-21" });
  await openai.chat.completions.create(chat());
  assert.deepEqual(sent(mock.calls[0]), expected);
  assert.equal(mock.calls[0].path, "/openai/deployments/my-gpt%20deployment/chat/completions?api-version=2024-10-21");
  const message = await anthropic.messages.create(chat());
  assert.equal(message.type, "message");
  assert.deepEqual(sent(mock.calls[1]), expected, "translated calls go there too");
  assert.deepEqual(mock.problems, []);
});

test("without an api-version the v1 path is used, whatever of it the endpoint has already", async (t) => {
  for (const path of ["", "/openai/", "/openai/v1"]) {
    const { mock, openai } = await setting(t, { path });
    await openai.chat.completions.create(chat());
    assert.deepEqual(sent(mock.calls[0]), { method: "POST", path: "/openai/v1/chat/completions", key: KEY, authorization: undefined });
  }
});

test("a stream that begins with the prompt's filter results reaches either client whole, and is billed", async (t) => {
  const frame = (extra) => ({ id: "chatcmpl-az", object: "chat.completion.chunk", created: 1, model: "gpt-4o", ...extra });
  const data = (o) => ({ text: `data: ${JSON.stringify(o)}\n\n` });
  const events = [data(frame({ id: "", choices: [], prompt_filter_results: [{ prompt_index: 0, content_filter_results: FILTERS }] })),
    data(frame({ choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] })),
    data(frame({ choices: [{ index: 0, delta: { content: "High." }, finish_reason: null, content_filter_results: FILTERS }] })),
    data(frame({ choices: [{ index: 0, delta: {}, finish_reason: "content_filter", content_filter_results: { ...FILTERS, hate: { filtered: true, severity: "high" } } }] })),
    data(frame({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 } })), { text: "data: [DONE]\n\n" }];
  const { weir, openai, anthropic } = await setting(t, { plan: () => ({ events }), spec: "\n  apiVersion: 2024-10-21", budgets: budget("money", "{usd: 10}") });
  const chunks = [];
  for await (const c of await openai.chat.completions.create(chat({ stream: true }))) chunks.push(c);
  assert.deepEqual(chunks[0].prompt_filter_results[0].content_filter_results, FILTERS);
  assert.deepEqual([chunks.length, chunks.at(-1).choices[0].finish_reason], [4, "content_filter"]);
  await settled(weir, "money", 10n * 150n + 2n * 600n);
  const message = await anthropic.messages.stream(chat()).finalMessage();
  assert.equal(message.content[0].text, "High.");
  assert.equal(message.stop_reason, "refusal");
});

test("a prompt that the filter refuses is told with the vendor's code, and in the client's shape", async (t) => {
  const body = { error: { message: "The response was filtered.", type: null, param: "prompt", code: "content_filter", status: 400,
    innererror: { code: "ResponsibleAIPolicyViolation", content_filter_result: { hate: { filtered: true, severity: "high" } } } } };
  const { openai, anthropic } = await setting(t, { plan: () => ({ status: 400, body }) });
  await assert.rejects(openai.chat.completions.create(chat()), (e) => e.status === 400 && e.code === "content_filter" && e.error.innererror.code === "ResponsibleAIPolicyViolation");
  await assert.rejects(anthropic.messages.create(chat()), (e) => e.status === 400 && e.error.type === "error" && /was filtered/.test(e.message));
});
