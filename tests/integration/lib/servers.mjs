// Strict servers that imitate OpenAI's Chat Completions, each with what the real one refuses and in the shape in which it answers: reasoning,
// usage, tool calls, ends and errors where that one has them. What a row says is written down here a second time, from the vendors' packages
// and the errors that people have met, not taken from Weir's own table.
import http from "node:http";
import { once } from "node:events";
import { pieces } from "./mock.mjs";

const KEY = "sk-provider-canary-5f1e";
const json = (o) => JSON.stringify(o);
const cut = (text) => text.match(/[^]{1,5}/gu) ?? [];
const words = (s) => new Set(s.split(/\s+/));
const details = { prompt_tokens_details: { cached_tokens: 3 }, completion_tokens_details: { reasoning_tokens: 7 } };
const plain = { prompt_tokens: 50, completion_tokens: 17, total_tokens: 67, ...details };
const reasoned = (key) => (text) => ({ [key]: text });
const openaiError = (message) => ({ error: { message, type: "invalid_request_error", param: null, code: null } });
const vllmError = (message) => ({ object: "error", message, type: "BadRequestError", param: null, code: 400 });

// reason(text): the delta that has it. text(piece): the delta of a text. usage: what is told; where: "asked" (a chunk of its own, if asked for),
// "last" (with the last choice) or a wrapper of the last choice's chunk. only: all fields that it takes. refuses(body): a complaint.
const quirks = {
  vllm: { reason: reasoned("reasoning"), error: vllmError, roles: true },
  sglang: { reason: reasoned("reasoning_content"), error: vllmError, roles: true },
  llamacpp: { reason: reasoned("reasoning_content"), error: (message) => ({ error: { code: 400, message, type: "invalid_request_error" } }), roles: true, noIds: true },
  ollama: { reason: reasoned("reasoning"), error: (message) => ({ error: { message, type: "api_error", param: null, code: null } }), allAtOnce: true, roles: true },
  litellm: { reason: reasoned("reasoning_content"), error: openaiError },
  openrouter: { comments: true, reason: (text) => ({ reasoning: text, reasoning_details: [{ type: "reasoning.text", text, format: "unknown", index: 0 }] }),
    usage: { ...plain, cost: 0.0001, cost_details: { upstream_inference_cost: null } }, error: (message) => ({ error: { message, code: 400 }, user_id: "u" }) },
  groq: { reason: reasoned("reasoning"), error: openaiError, where: (usage) => ({ x_groq: { id: "req_1", usage } }),
    only: words(`messages model citation_options compound_custom disable_tool_validation documents frequency_penalty function_call functions include_reasoning max_completion_tokens max_tokens
      parallel_tool_calls presence_penalty reasoning_effort reasoning_format response_format search_settings seed service_tier stop stream temperature tool_choice tools top_p user`),
    message: words("role content name reasoning tool_calls tool_call_id function_call"), efforts: ["none", "default", "low", "medium", "high"] },
  mistral: { reason: (text) => ({ content: [{ type: "thinking", thinking: [{ type: "text", text }] }] }), where: "last", usage: { prompt_tokens: 50, completion_tokens: 17, total_tokens: 67, num_cached_tokens: 3 },
    status: 422, error: (message) => ({ object: "error", message: { detail: [{ type: "extra_forbidden", msg: message }] }, type: "invalid_request_error", param: null, code: null }),
    only: words(`model messages temperature top_p max_tokens stream stop random_seed metadata response_format tools tool_choice presence_penalty frequency_penalty n prediction parallel_tool_calls
      reasoning_effort prompt_mode guardrails prompt_cache_key service_tier safe_prompt`), message: words("role content tool_calls prefix name tool_call_id"), ids: /^[a-zA-Z0-9]{9}$/, roles: true },
  deepseek: { reason: reasoned("reasoning_content"), error: openaiError, roles: true, usage: { prompt_tokens: 50, completion_tokens: 17, total_tokens: 67, prompt_cache_hit_tokens: 3, prompt_cache_miss_tokens: 47 },
    refuses: (b) => b.response_format?.type === "json_schema" && "This response_format type is unavailable now" },
  xai: { reason: reasoned("reasoning_content"), error: (error) => ({ code: "Client specified an invalid argument", error }), usage: { ...plain, completion_tokens: 10, total_tokens: 67 },
    refuses: (b) => ["presence_penalty", "frequency_penalty", "logit_bias"].filter((k) => k in b).map((k) => `Argument not supported on this model: ${k}`)[0] },
  together: { reason: reasoned("reasoning"), error: openaiError, where: "last", stop: "eos", refuses: (b) => ("max_completion_tokens" in b || "stream_options" in b) && "unexpected field", efforts: ["low", "medium", "high"], roles: true },
  fireworks: { reason: reasoned("reasoning_content"), error: (error) => ({ error }), efforts: ["none", "low", "medium", "high"], roles: true },
};
export const SERVERS = Object.keys(quirks);

export class ServerMock {
  constructor(name, plan, also = {}) {
    Object.assign(this, { name, q: { error: openaiError, ...quirks[name], ...also }, plan, calls: [] });
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

  complaint(body) {
    const { only, message, ids, roles, efforts, refuses } = this.q;
    const unknown = only && Object.keys(body).find((k) => !only.has(k));
    if (unknown) return `property '${unknown}' is unsupported`;
    for (const m of body.messages) {
      const extra = message && Object.keys(m).find((k) => !message.has(k));
      if (extra) return `property '${extra}' is unsupported in a message`;
      if (roles && m.role === "developer") return "unknown variant `developer`";
      for (const id of [...(m.tool_calls ?? []).map((c) => c.id), ...(m.role === "tool" ? [m.tool_call_id] : [])])
        if (ids ? !ids.test(id) : !id) return `Tool call id was ${id} but must be a-z, A-Z, 0-9, with a length of 9.`;
    }
    if (efforts && body.reasoning_effort && !efforts.includes(body.reasoning_effort)) return `reasoning_effort ${body.reasoning_effort}`;
    return refuses?.(body);
  }

  async serve(req, res) {
    const raw = [];
    for await (const c of req) raw.push(c);
    const body = JSON.parse(Buffer.concat(raw).toString());
    this.calls.push({ path: req.url, body });
    const wrong = req.headers.authorization !== `Bearer ${KEY}` ? "wrong key" : this.complaint(body);
    if (wrong) return this.json(res, this.q.status ?? 400, this.q.error(wrong));
    const answer = this.plan(body);
    if (answer.raw) return this.json(res, 200, answer.raw);
    if (!body.stream) return this.json(res, 200, this.whole(answer));
    res.writeHead(200, { "content-type": "text/event-stream" });
    for (const piece of pieces(Buffer.from(answer.events ?? this.events(answer, body).join("")), 7)) res.write(piece);
    res.end();
  }
  json(res, status, body) {
    res.writeHead(status, { "content-type": "application/json" });
    res.end(json(body));
  }

  idOf(c) {
    return this.q.noIds ? "" : this.q.ids ? c.short : c.id;
  }
  finish(a) {
    return a.calls ? "tool_calls" : this.q.stop ?? "stop";
  }
  head(object) {
    return { id: "chatcmpl-1", object, created: 1, model: "mock-small" };
  }
  whole(a) {
    const { reason } = this.q;
    const thought = a.reason ? reason(a.reason) : {};
    const content = thought.content ? [...thought.content, ...(a.text ? [{ type: "text", text: a.text }] : [])] : a.text ?? null;
    const tool_calls = a.calls?.map((c) => ({ id: this.idOf(c), type: "function", function: { name: c.name, arguments: json(c.args) } }));
    return { ...this.head("chat.completion"), usage: this.q.usage ?? plain, choices: [{ index: 0, finish_reason: this.finish(a), message: { role: "assistant", ...thought, content, ...(tool_calls && { tool_calls }) } }] };
  }
  events(a, body) {
    const { reason, comments, allAtOnce, sameIndex, where = "asked", usage = plain } = this.q;
    const frame = (choices, more) => `data: ${json({ ...this.head("chat.completion.chunk"), choices, ...more })}\n\n`;
    const delta = (d, finish_reason = null, more) => frame([{ index: 0, delta: d, finish_reason }], more);
    const calls = (a.calls ?? []).flatMap((c, i) => {
      const index = sameIndex ? 0 : i, of = { id: this.idOf(c), type: "function", function: { name: c.name, arguments: json(c.args) } };
      if (allAtOnce) return [delta({ tool_calls: [{ index, ...of }] })];
      return [delta({ tool_calls: [{ index, ...of, function: { name: c.name, arguments: "" } }] }), ...cut(of.function.arguments).map((p) => delta({ tool_calls: [{ index, function: { arguments: p } }] }))];
    });
    const last = where === "last" ? { usage } : typeof where === "function" ? where(usage) : {};
    return [...(comments ? [": OPENROUTER PROCESSING\n\n"] : []), delta({ role: "assistant", content: "" }), ...cut(a.reason ?? "").map((p) => delta(reason(p))), ...cut(a.text ?? "").map((p) => delta({ content: p })),
      ...calls, delta({}, this.finish(a), last), ...(where === "asked" && body.stream_options?.include_usage ? [frame([], { usage })] : []), "data: [DONE]\n\n"];
  }
}
