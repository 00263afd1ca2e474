// A strict provider that speaks Google's generateContent. It validates what it receives against the vendor's types, keeps
// it, and bills on its own: thoughts beside the candidates' tokens, cached tokens inside of the prompt's.
import http from "node:http";
import { once } from "node:events";
import { GoogleGenAI } from "@google/genai";
import { PRICES, pieces, tokensOf } from "./mock.mjs";
import { CALLER_KEY, budget, provider, route } from "./weir.mjs";
import { setting } from "./setup.mjs";

const WORD = "lor ";
const REQUEST = new Set("contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent labels serviceTier store".split(" "));
const CONFIG = new Set(`temperature topP topK candidateCount maxOutputTokens stopSequences responseMimeType responseSchema responseJsonSchema
  responseModalities responseLogprobs logprobs presencePenalty frequencyPenalty seed speechConfig thinkingConfig mediaResolution imageConfig`.split(/\s+/));
const PART = new Set("text thought thoughtSignature inlineData fileData functionCall functionResponse videoMetadata".split(" "));

const defaults = { status: 200, tokens: 10, thoughts: 0, cached: 0, parts: undefined, finishReason: "STOP", split: 0, chunks: undefined,
  whole: undefined, gate: undefined }; // gate: a promise that is awaited behind the first chunk

export const chunk = (parts, rest = {}) => ({ candidates: [{ content: { parts, role: "model" }, index: 0, ...rest.candidate }], modelVersion: "mock-small", responseId: "resp_1", ...rest.top });

export class GeminiMock {
  constructor({ plan = () => ({}), key = "sk-provider-canary-5f1e" } = {}) {
    this.calls = [];
    this.problems = [];
    this.bill = 0n;
    this.plan = plan;
    this.key = key;
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
  problem(text) {
    this.problems.push(text);
  }

  validate(req, body, stream, query) {
    for (const k of Object.keys(body)) if (!REQUEST.has(k)) this.problem(`unknown field ${k}`);
    for (const k of Object.keys(body.generationConfig ?? {})) if (!CONFIG.has(k)) this.problem(`unknown setting ${k}`);
    if (!Array.isArray(body.contents) || !body.contents.length) this.problem("contents is no list");
    for (const c of body.contents ?? []) {
      if (!["user", "model"].includes(c.role)) this.problem(`role ${c.role}`);
      if (!c.parts?.length) this.problem("a content without parts");
      for (const p of c.parts ?? []) for (const k of Object.keys(p)) if (!PART.has(k)) this.problem(`unknown part ${k}`);
    }
    // Every call is answered in the next content, by a response of its name, and nothing else is.
    body.contents?.forEach((c, i) => {
      const names = (x, kind) => x?.parts.filter((p) => p[kind]).map((p) => p[kind].name) ?? [];
      const calls = names(c, "functionCall"), answers = names(body.contents[i + 1], "functionResponse");
      if (c.role === "model" && i + 1 < body.contents.length && String(calls) !== String(answers)) this.problem(`calls ${calls} answered by ${answers}`);
    });
    if (req.headers["x-goog-api-key"] !== this.key) this.problem(`wrong key: ${req.headers["x-goog-api-key"]}`);
    if (query.has("key")) this.problem("the caller's key reached the provider");
    if (stream && query.get("alt") !== "sse") this.problem(`alt is ${query.get("alt")}`);
    for (const h of Object.keys(req.headers)) if (h.startsWith("x-weir-")) this.problem(`header ${h} reached the provider`);
  }

  async serve(req, res) {
    const raw = [];
    for await (const c of req) raw.push(c);
    const url = new URL(req.url, "http://x");
    const m = url.pathname.match(/^\/v1beta\/models\/([^/:]+):(generateContent|streamGenerateContent|countTokens)$/);
    const body = JSON.parse(Buffer.concat(raw).toString() || "{}");
    if (!m) return this.json(res, 404, { error: { code: 404, message: `no ${req.url}`, status: "NOT_FOUND" } });
    const stream = m[2] === "streamGenerateContent";
    const call = { path: url.pathname, query: url.searchParams, headers: req.headers, model: decodeURIComponent(m[1]), body };
    this.calls.push(call);
    this.validate(req, body, stream, url.searchParams);
    if (m[2] === "countTokens") return this.json(res, 200, { totalTokens: tokensOf(JSON.stringify(body.contents)) });
    const plan = { ...defaults, ...this.plan(call, this.calls.length) };
    if (plan.status !== 200) return this.json(res, plan.status, plan.body ?? { error: { code: plan.status, message: "mock says no", status: plan.statusName ?? "UNAVAILABLE" } });
    const input = tokensOf(JSON.stringify(body.contents));
    const usageMetadata = { promptTokenCount: input, candidatesTokenCount: plan.tokens, totalTokenCount: input + plan.tokens + plan.thoughts,
      ...(plan.cached && { cachedContentTokenCount: plan.cached }), ...(plan.thoughts && { thoughtsTokenCount: plan.thoughts }) };
    const price = PRICES[call.model];
    if (price) {
      const sum = BigInt(input - plan.cached) * price.input + BigInt(plan.cached) * price.cacheRead + BigInt(plan.tokens + plan.thoughts) * price.output;
      this.bill += (sum + 999_999n) / 1_000_000n;
    }
    call.usage = usageMetadata;
    const parts = plan.parts ?? [{ text: WORD.repeat(plan.tokens) }];
    const last = { candidate: { finishReason: plan.finishReason }, top: { usageMetadata } };
    if (!stream) return this.json(res, 200, plan.whole ?? chunk(parts, last));
    res.writeHead(200, { "content-type": "text/event-stream" });
    const list = plan.chunks ?? [...(plan.parts ?? Array.from({ length: plan.tokens }, () => ({ text: WORD }))).map((p) => chunk([p])), chunk([{ text: "" }], last)];
    const frames = list.map((c) => `data: ${JSON.stringify(c)}\r\n\r\n`);
    if (plan.gate) {
      res.write(frames.shift());
      await plan.gate;
    }
    for (const piece of pieces(Buffer.from(frames.join("")), plan.split)) {
      res.write(piece);
      if (plan.split) await new Promise((r) => setImmediate(r));
    }
    res.end();
  }

  json(res, status, body) {
    res.writeHead(status, { "content-type": "application/json" });
    res.end(JSON.stringify(body));
  }
}

// The common setting with this provider in it: routes gem (the caller's own API) and to-go, to-an, to-oa. `gemini` plans this
// mock's answers, `plan` the other one's; `extra` is for the three routes, `more` further YAML.
export async function geminiSetting(t, { gemini, plan, extra = "", more = "" } = {}) {
  const google = await new GeminiMock({ plan: gemini }).start();
  t.after(() => google.stop());
  const to = (name, provider, rest) => route(name, [[{ provider, model: "mock-small" }]], `  models: [${name}]\n${rest}`);
  const s = await setting(t, { plan, budgets: budget("money", "{usd: 10}"),
    more: provider("go", "gemini", google.url) + to("gem", "go", "") + to("to-go", "go", extra) + to("to-an", "an", extra) + to("to-oa", "oa", extra) + more });
  const genai = new GoogleGenAI({ apiKey: CALLER_KEY, httpOptions: { baseUrl: s.weir.url, retryOptions: { attempts: 1 } } });
  return { ...s, google, genai };
}
