// A strict provider of what passes through Weir: images, audio, moderations, reranking, files, and a path of its own. Forms are
// parsed by Node's own reader, and every call is billed at a price of its own.
import http from "node:http";
import { once } from "node:events";
import { provider, route } from "./weir.mjs";
import { setting } from "./setup.mjs";

const KEY = "sk-provider-canary-5f1e";
// nano-USD a call: what prices below say.
export const BILL = { "image-1": 40_000_000n, "speech-1": 15_000_000n, "scribe-1": 6_000_000n, "mod-1": 0n, "rank-1": 2_000_000n };
export const mediaPrices = `
apiVersion: weir.dev/v1alpha1
kind: PriceList
metadata: {name: media}
spec:
  prices:
    - {model: image-1, request: 0.04}
    - {model: speech-1, request: 0.015}
    - {model: scribe-1, request: 0.006}
    - {model: mod-1, request: 0}
    - {model: rank-1, request: 0.002}
    - {model: tokens-1, input: 5, output: 40, request: 0.01}
---`;

export class MediaMock {
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
  json(res, status, body) {
    res.writeHead(status, { "content-type": "application/json" });
    res.end(JSON.stringify(body));
  }
  charge(model, n = 1) {
    if (BILL[model] === undefined && model !== "tokens-1") this.problems.push(`no such model: ${model}`);
    this.bill += (BILL[model] ?? 0n) * BigInt(n);
  }

  async serve(req, res) {
    const raw = [];
    for await (const c of req) raw.push(c);
    const bytes = Buffer.concat(raw), type = req.headers["content-type"] ?? "", path = req.url.split("?")[0];
    const call = { method: req.method, path, url: req.url, headers: req.headers, bytes };
    this.calls.push(call);
    if (req.headers.authorization !== `Bearer ${KEY}`) this.problems.push(`wrong key: ${req.headers.authorization}`);
    for (const h of Object.keys(req.headers)) if (h.startsWith("x-weir-")) this.problems.push(`header ${h} reached the provider`);
    if (type.startsWith("multipart/form-data")) call.form = await new Response(bytes, { headers: { "content-type": type } }).formData();
    else if (type.startsWith("application/json")) call.body = JSON.parse(bytes);
    const plan = { status: 200, ...this.plan(call, this.calls.length) };
    if (plan.status !== 200) return this.json(res, plan.status, { error: { message: "mock says no", type: "server_error" } });
    if (plan.gate) await plan.gate;
    const model = call.form?.get("model") ?? call.body?.model;
    if (path.startsWith("/v1/images/")) return this.images(res, call, model);
    if (path === "/v1/audio/speech") return this.speech(res, model, plan);
    if (path === "/v1/audio/transcriptions") return this.transcription(res, call, model);
    if (path === "/v1/moderations") return this.charge(model), this.json(res, 200, { id: "modr-1", model, results: [{ flagged: false, categories: {}, category_scores: {} }] });
    if (path === "/v2/rerank") return this.charge(model), this.json(res, 200, { id: "r", results: call.body.documents.map((_, index) => ({ index, relevance_score: 0.5 })), meta: { billed_units: { search_units: 1 } } });
    if (path === "/v1/files" && req.method === "POST") return this.json(res, 200, { id: "file-1", object: "file", bytes: call.form.get("file").size, purpose: call.form.get("purpose"), filename: call.form.get("file").name, status: "processed", created_at: 1 });
    if (path === "/v1/files/file-1/content") return res.writeHead(200, { "content-type": "application/octet-stream" }).end(Buffer.from([0, 1, 2, 255]));
    if (path === "/v1/files/file-1" && req.method === "DELETE") return this.json(res, 200, { id: "file-1", object: "file", deleted: true });
    if (path === "/v1/batches") return this.json(res, 200, { id: "batch_1", object: "batch", status: "validating", error: { code: null } });
    this.json(res, 404, { error: { message: `no ${req.url}`, type: "invalid_request_error" } });
  }

  images(res, call, model) {
    const n = Number(call.form?.get("n") ?? call.body?.n ?? 1);
    this.charge(model, n);
    const usage = model === "tokens-1" ? { input_tokens: 100, output_tokens: 1000, total_tokens: 1100, input_tokens_details: { text_tokens: 100, image_tokens: 0 } } : undefined;
    this.json(res, 200, { created: 1, data: Array.from({ length: n }, () => ({ b64_json: "iVBORw0KGgo=" })), usage });
  }
  async speech(res, model, plan) {
    this.charge(model);
    res.writeHead(200, { "content-type": "audio/mpeg" });
    res.write(Buffer.alloc(1000, 0xff));
    if (plan.middle) await plan.middle;
    res.end(Buffer.alloc(plan.more ?? 1000, 0xfe));
  }
  transcription(res, call, model) {
    this.charge(model);
    if (!(call.form.get("file") instanceof File)) this.problems.push("the form has no file");
    if (call.form.get("stream") !== "true") return this.json(res, 200, { text: "The dam is 40 metres high." });
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write('data: {"type":"transcript.text.delta","delta":"The dam"}\n\n');
    res.end('data: {"type":"transcript.text.done","text":"The dam"}\n\ndata: [DONE]\n\n');
  }
}

// Routes "pic", "say", "hear", "mod", "rank", "tok" lead to this provider's models; `pass` is YAML of its passThrough.
export async function mediaSetting(t, { plan, pass = "", budgets, agentExtra } = {}) {
  const media = await new MediaMock(plan).start();
  t.after(() => media.stop());
  const models = { pic: "image-1", say: "speech-1", hear: "scribe-1", mod: "mod-1", rank: "rank-1", tok: "tokens-1" };
  const routes = Object.entries(models).map(([name, model]) => route(name, [[{ provider: "me", model }]], `  models: [${name}]\n`)).join("");
  const s = await setting(t, { budgets, agentExtra, more: mediaPrices + provider("me", "openai", media.url, { extra: pass && `  passThrough:\n${pass}` }) + routes });
  return { ...s, media };
}
