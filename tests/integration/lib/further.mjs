// A strict provider of the APIs beside conversations: OpenAI's embeddings and legacy completions and Google's embeddings. It
// validates what it receives against the vendors' types, keeps it, and bills on its own.
import http from "node:http";
import { once } from "node:events";
import { GoogleGenAI } from "@google/genai";
import { PRICES, WORD, tokensOf } from "./mock.mjs";
import { CALLER_KEY, provider, route } from "./weir.mjs";
import { setting } from "./setup.mjs";

const KEY = "sk-provider-canary-5f1e";
const EMBEDDINGS = new Set("model input dimensions encoding_format user".split(" "));
const COMPLETIONS = new Set(`model prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop stream
  stream_options suffix temperature top_p user`.split(/\s+/));
const EMBED = new Set("model content taskType title outputDimensionality embedContentConfig".split(" "));

// A vector that tells its text apart from others.
export const vectorOf = (text) => [Buffer.byteLength(text) / 4, 0.5, -0.25];
const base64 = (v) => Buffer.from(new Float32Array(v).buffer).toString("base64");

const defaults = { status: 200, tokens: 10, usage: true, gate: undefined };

export class FurtherMock {
  constructor(plan = () => ({})) {
    Object.assign(this, { calls: [], problems: [], bill: 0n, plan });
    this.server = http.createServer((q, r) => this.serve(q, r));
  }
  async start() {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.url = `http://localhost:${this.server.address().port}`;
    return this;
  }
  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close").catch(() => {});
  }
  only(fields, body) {
    for (const k of Object.keys(body)) if (!fields.has(k)) this.problems.push(`unknown field ${k}`);
  }
  charge(model, input, output) {
    const p = PRICES[model];
    if (p) this.bill += (BigInt(input) * p.input + BigInt(output) * p.output + 999_999n) / 1_000_000n;
    else this.problems.push(`no such model: ${model}`);
  }
  json(res, status, body) {
    res.writeHead(status, { "content-type": "application/json" });
    res.end(JSON.stringify(body));
  }

  async serve(req, res) {
    const raw = [];
    for await (const c of req) raw.push(c);
    const url = new URL(req.url, "http://x");
    const google = url.pathname.match(/^\/v1beta\/models\/([^/:]+):(embedContent|batchEmbedContents)$/);
    const body = JSON.parse(Buffer.concat(raw).toString());
    const call = { path: url.pathname, headers: req.headers, body, raw: Buffer.concat(raw).toString() };
    this.calls.push(call);
    if ((google ? req.headers["x-goog-api-key"] : req.headers.authorization?.slice(7)) !== KEY) this.problems.push("wrong key");
    const plan = { ...defaults, ...this.plan(call, this.calls.length) };
    if (plan.status !== 200) return this.json(res, plan.status, { error: { message: "mock says no", type: "server_error" } });
    if (google) return this.embed(res, body, google[1], google[2], plan);
    if (url.pathname === "/v1/embeddings") return this.embeddings(res, body, plan);
    if (url.pathname === "/v1/completions") return this.completions(res, body, plan);
    this.json(res, 404, { error: { message: `no ${req.url}`, type: "invalid_request_error" } });
  }

  embeddings(res, body, plan) {
    this.only(EMBEDDINGS, body);
    const list = [body.input].flat();
    const input = list.reduce((n, x) => n + (typeof x === "string" ? tokensOf(x) : Array.isArray(x) ? x.length : 1), 0);
    const data = list.map((x, index) => ({ object: "embedding", index, embedding: body.encoding_format === "base64" ? base64(vectorOf(String(x))) : vectorOf(String(x)) }));
    this.charge(body.model, input, 0);
    this.json(res, 200, { object: "list", data, model: body.model, ...(plan.usage && { usage: { prompt_tokens: input, total_tokens: input } }) });
  }

  async completions(res, body, plan) {
    this.only(COMPLETIONS, body);
    const prompts = [body.prompt].flat();
    const input = prompts.reduce((n, x) => n + tokensOf(String(x)), 0);
    const n = prompts.length * (body.n ?? 1);
    const tokens = Math.min(plan.tokens, body.max_tokens ?? 16);
    const text = WORD.repeat(tokens);
    const head = { id: "cmpl-1", object: "text_completion", created: 1, model: body.model };
    const usage = { prompt_tokens: input, completion_tokens: tokens * n, total_tokens: input + tokens * n };
    const choice = (index, text, finish_reason) => ({ index, text, logprobs: null, finish_reason });
    const every = (text, why) => Array.from({ length: n }, (_, i) => choice(i, text, why));
    this.charge(body.model, input, tokens * n);
    if (!body.stream) return this.json(res, 200, { ...head, choices: every(text, "stop"), usage });
    res.writeHead(200, { "content-type": "text/event-stream" });
    const send = (x) => res.write(`data: ${typeof x === "string" ? x : JSON.stringify(x)}\n\n`);
    for (let i = 0; i < tokens; i++) {
      if (i === 2 && plan.gate) await plan.gate;
      for (const c of every(WORD, null)) send({ ...head, choices: [c] });
    }
    for (const c of every("", "stop")) send({ ...head, choices: [c] });
    if (body.stream_options?.include_usage) send({ ...head, choices: [], usage });
    send("[DONE]");
    res.end();
  }

  embed(res, body, model, verb, plan) {
    const requests = verb === "embedContent" ? [{ model: `models/${model}`, ...body }] : body.requests;
    for (const r of requests) {
      this.only(EMBED, r);
      if (r.model !== `models/${model}`) this.problems.push(`model ${r.model} in the body of ${model}`);
    }
    const texts = requests.map((r) => r.content.parts.map((p) => p.text).join(""));
    const input = texts.reduce((n, x) => n + tokensOf(x), 0);
    const values = texts.map((x) => ({ values: vectorOf(x) }));
    this.charge(model, input, 0);
    const usageMetadata = plan.usage ? { promptTokenCount: input } : undefined;
    this.json(res, 200, verb === "embedContent" ? { embedding: values[0], usageMetadata } : { embeddings: values, usageMetadata });
  }
}

// The common setting with this provider in it: routes "emb" (OpenAI's APIs) and "gem" (Google's) and "foreign" (Anthropic's).
export async function furtherSetting(t, { plan, budgets, more = "", args = "" } = {}) {
  const further = await new FurtherMock(plan).start();
  t.after(() => further.stop());
  const to = (name, provider) => route(name, [[{ provider, model: "mock-small" }]], `  models: [${name}]\n`);
  const s = await setting(t, { budgets, more: provider("fo", "openai", further.url, { extra: args }) + provider("fg", "gemini", further.url) + provider("ec", "echo", "").replace(/ {2}(endpoint|credential).*\n/g, "")
    + to("emb", "fo") + to("gem", "fg") + to("foreign", "an") + to("echoed", "ec") + more });
  const genai = new GoogleGenAI({ apiKey: CALLER_KEY, httpOptions: { baseUrl: s.weir.url, retryOptions: { attempts: 1 } } });
  return { ...s, further, genai };
}
