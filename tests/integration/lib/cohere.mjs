// A strict provider that speaks Cohere's API, version 2: chat, embed and rerank. It validates what it receives against the types of the
// vendor's SDK (cohere-ai 8.1), keeps it, and bills on its own.
import http from "node:http";
import { once } from "node:events";
import { PRICES, pieces, tokensOf } from "./mock.mjs";

const KEY = "sk-provider-canary-5f1e";
const CHAT = new Set(`model messages tools strict_tools documents citation_options response_format safety_mode max_tokens stop_sequences temperature seed
  frequency_penalty presence_penalty k p logprobs tool_choice thinking priority stream`.split(/\s+/));
const EMBED = new Set("texts images model input_type inputs max_tokens output_dimension embedding_types truncate priority".split(" "));
const RERANK = new Set("model query documents top_n max_tokens_per_doc priority".split(" "));
const INPUT_TYPES = new Set("search_document search_query classification clustering image".split(" "));
const list = (c) => (typeof c === "string" ? [{ type: "text", text: c }] : c ?? []);

// A vector that tells its text apart from others; exact in 32 bits.
export const cohereVector = (text) => [Buffer.byteLength(text) / 4, 0.5, -0.25];
export const base64 = (v) => Buffer.from(new Float32Array(v).buffer).toString("base64");

export class CohereMock {
  constructor({ plan = () => ({}) } = {}) {
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
  problem(text) {
    this.problems.push(text);
  }
  only(fields, body, what = "field") {
    for (const k of Object.keys(body)) if (!fields.has(k)) this.problem(`unknown ${what} ${k}`);
  }
  json(res, status, body) {
    res.writeHead(status, { "content-type": "application/json" });
    res.end(JSON.stringify(body));
  }

  checkMessage(m) {
    const kinds = { user: ["text", "image_url"], system: ["text"], assistant: ["text", "thinking"], tool: ["text", "document"] }[m.role];
    if (!kinds) return this.problem(`role ${m.role}`);
    if (m.role !== "assistant" && !m.content?.length) this.problem(`a message of ${m.role} without content`);
    if (m.role === "assistant" && !m.content?.length && !m.tool_calls?.length) this.problem("an assistant's message without anything");
    for (const p of list(m.content)) {
      if (!kinds.includes(p.type)) this.problem(`${p.type} in a message of ${m.role}`);
      if (!p[p.type]?.length && p.type !== "document" && p.type !== "image_url") this.problem(`an empty ${p.type}`);
      if (p.type === "document" && (typeof p.document?.data !== "object" || Array.isArray(p.document.data))) this.problem("a document without data");
      if (p.type === "image_url" && !p.image_url?.url) this.problem("an image without url");
    }
    for (const c of m.tool_calls ?? []) if (c.type !== "function" || !c.id || typeof c.function?.arguments !== "string") this.problem("a malformed tool call");
    if (m.role === "tool" && !m.tool_call_id) this.problem("a result without tool_call_id");
  }
  checkChat(body) {
    this.only(CHAT, body);
    if (!body.messages?.length) this.problem("no messages");
    const open = new Set();
    for (const m of body.messages ?? []) {
      this.checkMessage(m);
      for (const c of m.tool_calls ?? []) open.add(c.id);
      if (m.role === "tool" && !open.delete(m.tool_call_id)) this.problem(`a result of ${m.tool_call_id}, which is no open call`);
      if (["user", "assistant"].includes(m.role) && !m.tool_calls && open.size) this.problem("calls without results");
    }
    for (const t of body.tools ?? []) if (t.type !== "function" || typeof t.function?.parameters !== "object") this.problem("a tool without parameters");
    if (body.tool_choice && (!["REQUIRED", "NONE"].includes(body.tool_choice) || !body.tools)) this.problem(`tool_choice ${body.tool_choice}`);
    if (body.response_format && !["text", "json_object"].includes(body.response_format.type)) this.problem(`format ${body.response_format.type}`);
    if (body.thinking && !["enabled", "disabled"].includes(body.thinking.type)) this.problem(`thinking ${body.thinking.type}`);
    if ((body.stop_sequences?.length ?? 0) > 5) this.problem("more than 5 stop sequences");
    if (body.p !== undefined && !(body.p >= 0.01 && body.p <= 0.99)) this.problem(`p ${body.p}`);
  }

  async serve(req, res) {
    const raw = [];
    for await (const c of req) raw.push(c);
    const body = JSON.parse(Buffer.concat(raw).toString());
    const call = { path: req.url, headers: req.headers, body };
    this.calls.push(call);
    if (req.headers.authorization !== `Bearer ${KEY}`) this.problem(`wrong key: ${req.headers.authorization}`);
    for (const h of Object.keys(req.headers)) if (h.startsWith("x-weir-")) this.problem(`header ${h} reached the provider`);
    const plan = { ...this.plan(call, this.calls.length) };
    if (plan.status) return this.json(res, plan.status, plan.body ?? { id: "err-1", message: "mock says no" });
    if (req.url === "/v2/chat") return this.chat(res, body, plan);
    if (req.url === "/v2/embed") return this.embed(res, body, plan);
    if (req.url === "/v2/rerank") return this.rerank(res, body);
    this.json(res, 404, { message: `no ${req.url}` });
  }

  chat(res, body, plan) {
    this.checkChat(body);
    if (!body.stream) return this.json(res, 200, plan.body);
    res.writeHead(200, { "content-type": "text/event-stream" });
    for (const piece of pieces(Buffer.from(plan.events.join("")), plan.split)) res.write(piece);
    res.end();
  }

  embed(res, body, plan) {
    this.only(EMBED, body);
    if (!INPUT_TYPES.has(body.input_type)) this.problem(`input_type ${body.input_type}`);
    const inputs = body.texts ?? body.inputs?.map((i) => i.content.map((c) => c.text ?? "").join(""));
    if (!inputs?.length || inputs.length > 96) this.problem(`${inputs?.length} texts`);
    const input = inputs.reduce((n, x) => n + tokensOf(x), 0);
    const vectors = inputs.map((x) => cohereVector(x).slice(0, body.output_dimension));
    const types = body.embedding_types ?? ["float"];
    this.bill += (BigInt(input) * PRICES[body.model].input + 999_999n) / 1_000_000n;
    this.json(res, 200, { id: "emb-1", response_type: "embeddings_by_type", texts: body.texts,
      embeddings: { ...(types.includes("float") && { float: vectors }), ...(types.includes("base64") && { base64: vectors.map(base64) }) },
      ...(plan.usage !== false && { meta: { api_version: { version: "2" }, billed_units: { input_tokens: input } } }) });
  }

  rerank(res, body) {
    this.only(RERANK, body);
    if (typeof body.query !== "string" || !body.documents?.every((d) => typeof d === "string")) this.problem("query or documents are no texts");
    const results = body.documents.map((d, index) => ({ index, relevance_score: 1 / (1 + index) })).slice(0, body.top_n);
    this.json(res, 200, { id: "rr-1", results, meta: { api_version: { version: "2" }, billed_units: { search_units: Math.ceil(body.documents.length / 100) } } });
  }
}
