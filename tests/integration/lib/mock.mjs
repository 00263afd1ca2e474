// A strict provider that speaks OpenAI Chat Completions and Anthropic Messages over TLS. It validates what it receives,
// keeps it, and bills on its own, so that a test can compare Weir's ledger with it to the nano-dollar.
//
// One token is at most four bytes of text: the mock emits words of four bytes, so its bill can be counted from outside.
import https from "node:https";
import http from "node:http";
import { once } from "node:events";

export const PRICES = {
  // nano-USD per million tokens
  "mock-small": { input: 150_000_000n, output: 600_000_000n, cacheRead: 75_000_000n, cacheWrite: 187_500_000n },
  "mock-large": { input: 3_000_000_000n, output: 15_000_000_000n, cacheRead: 300_000_000n, cacheWrite: 3_750_000_000n },
};

export const tokensOf = (text) => Math.ceil(Buffer.byteLength(text, "utf8") / 4);
export const WORD = "lor ";

// Bytes as a provider's network may deliver them: `split` is the length of each piece, or gives the next one's; 0: whole.
export function* pieces(bytes, split) {
  for (let at = 0; at < bytes.length; ) {
    const n = (typeof split === "function" ? split() : split) || bytes.length;
    yield bytes.subarray(at, at + n);
    at += n;
  }
}

const CHAT_FIELDS = new Set(`model messages stream stream_options max_tokens max_completion_tokens temperature top_p n stop
  tools tool_choice parallel_tool_calls response_format seed user metadata store reasoning_effort presence_penalty
  frequency_penalty logit_bias logprobs top_logprobs modalities prediction service_tier verbosity prompt_cache_key
  safety_identifier functions function_call web_search_options audio`.split(/\s+/));
const MESSAGES_FIELDS = new Set(`model messages max_tokens stream system temperature top_p top_k stop_sequences tools
  tool_choice metadata thinking service_tier container context_management mcp_servers output_config output_format
  cache_control inference_geo speed`.split(/\s+/));

// What a test may say about one answer; a function of the call makes it, the defaults answer plainly.
export const defaults = {
  status: 200, // other: an error answer
  body: undefined, // of an error answer, or a whole answer of the test's own
  headers: {},
  tokens: 10, // words to say
  reasoning: 0, // tokens billed as output and never shown
  document: false, // a whole answer where a stream was asked for
  toolCall: undefined, // {name, args}
  usage: "normal", // normal | zero | absent
  usageWithChoices: false, // chat streams: usage in the last frame that has choices
  bills: false, // a call that it resets
  cacheRead: 0,
  cacheWrite: 0,
  delayMs: 0, // before the head
  chunkDelayMs: 0,
  cutAfter: Infinity, // events, then the connection breaks
  split: 0, // write pieces of so many bytes, or of as many as it gives each time
  events: undefined, // a stream of the test's own: [{text, tokens}]
  hold: undefined, // a promise: nothing is sent before it
  holdAfter: undefined, // [events, promise]: waits in the middle
};

export class Mock {
  constructor({ tls, key = "sk-provider-canary-5f1e", plan = () => ({}) } = {}) {
    this.calls = [];
    this.problems = [];
    this.key = key;
    this.plan = plan;
    this.open = new Set();
    this.server = tls ? https.createServer(tls, (q, r) => this.serve(q, r)) : http.createServer((q, r) => this.serve(q, r));
    this.server.keepAliveTimeout = 60_000;
    this.secure = !!tls;
  }
  async start(port = 0) {
    this.server.listen(port, "127.0.0.1");
    await once(this.server, "listening");
    this.port = this.server.address().port;
    this.url = `${this.secure ? "https" : "http"}://localhost:${this.port}`;
    return this;
  }
  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close").catch(() => {});
  }
  // The sum of what this provider would invoice, in nano-USD.
  get bill() {
    return this.calls.reduce((sum, c) => sum + (c.cost ?? 0n), 0n);
  }
  problem(text) {
    this.problems.push(text);
  }

  async serve(req, res) {
    const chunks = [];
    try {
      for await (const c of req) chunks.push(c);
    } catch {
      return;
    }
    const raw = Buffer.concat(chunks);
    const call = { method: req.method, path: req.url, headers: req.headers, raw, aborted: false, at: Date.now(), emitted: 0 };
    this.calls.push(call);
    res.on("close", () => {
      if (!res.writableFinished) {
        call.aborted = true;
        call.closedAt = Date.now();
      }
      call.onClose?.();
    });
    call.closed = new Promise((r) => (call.onClose = r));
    const dialect = this.dialectOf(req);
    if (this.answersItself(req, res)) return;
    if (req.url.includes("/count_tokens")) return this.json(res, 200, { input_tokens: tokensOf(raw.toString()) });
    try {
      call.body = JSON.parse(raw);
    } catch {
      this.problem(`body is not JSON: ${raw.subarray(0, 80)}`);
      return this.json(res, 400, { error: { message: "bad json", type: "invalid_request_error" } });
    }
    this.validate(dialect, req, call.body);
    const plan = { ...defaults, ...(this.plan(call, this.calls.length) ?? {}) };
    if (plan.hold) await plan.hold;
    if (plan.delayMs) await new Promise((r) => setTimeout(r, plan.delayMs));
    for (const [k, v] of Object.entries(plan.headers)) res.setHeader(k, v);
    if (plan.status === "reset") {
      if (plan.bills) this.charge({ dialect, input: tokensOf(this.promptOf(call.body)), plan, body: call.body, call }, plan.tokens);
      return req.socket.destroy();
    }
    if (plan.status !== 200)
      return this.json(res, plan.status, plan.body ?? (dialect === "anthropic"
        ? { type: "error", error: { type: "overloaded_error", message: "mock says no" } }
        : { error: { message: "mock says no", type: "server_error", code: null, param: null } }));
    const input = tokensOf(this.promptOf(call.body));
    const answer = { dialect, input, plan, body: call.body, call };
    if (call.body.stream && !plan.document) await this.stream(res, answer);
    else this.whole(res, answer);
  }

  // What a provider of a further API has of its own.
  dialectOf(req) {
    return req.url.split("?")[0].endsWith("/v1/messages") ? "anthropic" : "openai";
  }
  answersItself() {
    return false;
  }
  promptOf(body) {
    return promptText(body);
  }
  checkBody(dialect, body) {
    const fields = dialect === "anthropic" ? MESSAGES_FIELDS : CHAT_FIELDS;
    for (const k of Object.keys(body)) if (!fields.has(k)) this.problem(`unknown field ${k}`);
    if (!Array.isArray(body.messages)) this.problem("messages is not a list");
  }
  bodyOf(a, text, output) {
    return a.dialect === "anthropic" ? messagesBody(a, text, output) : chatBody(a, text, output);
  }
  eventsOf(a) {
    return a.dialect === "anthropic" ? messagesEvents(a) : chatEvents(a);
  }

  validate(dialect, req, body) {
    this.checkBody(dialect, body);
    if (dialect === "anthropic" && !Number.isInteger(body.max_tokens)) this.problem("max_tokens is missing");
    if (dialect === "anthropic" && !req.headers["anthropic-version"]) this.problem("anthropic-version is missing");
    const key = dialect === "anthropic" ? req.headers["x-api-key"] : req.headers.authorization?.replace(/^Bearer /, "");
    if (this.key && key !== this.key) this.problem(`wrong key: ${key}`);
    for (const h of Object.keys(req.headers)) if (h.startsWith("x-weir-")) this.problem(`header ${h} reached the provider`);
    if (req.headers["content-type"] !== "application/json") this.problem(`content-type ${req.headers["content-type"]}`);
  }

  json(res, status, body) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    res.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
    res.end(text);
  }

  charge(answer, output) {
    const p = PRICES[answer.body.model];
    answer.call.usage = { input: answer.input, output };
    if (!p) return;
    const { cacheRead, cacheWrite } = answer.plan;
    // OpenAI's cached tokens are part of the prompt's, Anthropic's stand beside them.
    const plain = answer.dialect === "anthropic" ? answer.input : answer.input - cacheRead;
    const sum = BigInt(plain) * p.input + BigInt(cacheRead) * p.cacheRead + BigInt(cacheWrite) * p.cacheWrite + BigInt(output) * p.output;
    answer.call.cost = (sum + 999_999n) / 1_000_000n;
  }

  whole(res, a) {
    const text = WORD.repeat(a.plan.tokens);
    const output = a.plan.usage === "zero" ? 0 : a.plan.tokens + a.plan.reasoning;
    if (a.plan.usage === "zero") a.input = 0;
    this.charge(a, output);
    if (a.plan.body) return this.json(res, 200, a.plan.body);
    const body = this.bodyOf(a, text, output);
    if (!a.plan.holdAfter) return this.json(res, 200, body);
    res.writeHead(200, { "content-type": "application/json" }).flushHeaders();
    return a.plan.holdAfter[1].then(() => res.end(JSON.stringify(body)));
  }

  async stream(res, a) {
    res.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
    res.flushHeaders();
    const events = a.plan.events ?? this.eventsOf(a);
    let n = 0;
    for (const e of events) {
      if (n === a.plan.cutAfter || res.destroyed) break;
      if (a.plan.holdAfter && n === a.plan.holdAfter[0]) await a.plan.holdAfter[1];
      if (a.plan.chunkDelayMs) await new Promise((r) => setTimeout(r, a.plan.chunkDelayMs));
      if (e.tokens) a.call.emitted += e.tokens;
      await this.write(res, e.text, a.plan.split, n + 1 === a.plan.cutAfter); // a break comes after what was sent
      n++;
    }
    const all = n >= events.length;
    if (a.plan.usage === "zero") a.input = 0;
    this.charge(a, a.plan.usage === "zero" ? 0 : a.call.emitted + a.plan.reasoning);
    if (all) res.end();
    else res.destroy();
  }

  async write(res, text, split, flush) {
    const list = [...pieces(Buffer.from(text), split)];
    for (const [i, piece] of list.entries()) {
      if (res.destroyed) return;
      if (flush && i + 1 === list.length) await new Promise((r) => (res.once("close", r), res.write(piece, r)));
      else if (!res.write(piece)) await drained(res);
      if (split) await new Promise((r) => setImmediate(r));
    }
  }
}

function drained(res) {
  return new Promise((done) => {
    const over = () => {
      res.off("drain", over).off("close", over);
      done();
    };
    res.on("drain", over).on("close", over);
  });
}

function promptText(body) {
  const of = (c) => (typeof c === "string" ? c : Array.isArray(c) ? c.map((p) => p.text ?? of(p.content) ?? "").join("") : "");
  return of(body.system) + body.messages.map((m) => of(m.content)).join("");
}

function chatUsage(a, output) {
  if (a.plan.usage === "absent") return undefined;
  return {
    prompt_tokens: a.input, completion_tokens: output, total_tokens: a.input + output,
    prompt_tokens_details: { cached_tokens: a.plan.cacheRead, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: a.plan.reasoning },
  };
}

function chatBody(a, text, output) {
  const tool = a.plan.toolCall;
  return {
    id: "chatcmpl-mock", object: "chat.completion", created: 1_700_000_000, model: a.body.model,
    choices: [{
      index: 0, logprobs: null, finish_reason: tool ? "tool_calls" : "stop",
      message: {
        role: "assistant", refusal: null, content: tool ? null : text,
        ...(tool && { tool_calls: [{ id: "call_1", type: "function", function: { name: tool.name, arguments: JSON.stringify(tool.args) } }] }),
      },
    }],
    usage: chatUsage(a, output),
  };
}

function chatEvents(a) {
  const frame = (extra) => ({ id: "chatcmpl-mock", object: "chat.completion.chunk", created: 1_700_000_000, model: a.body.model, ...extra });
  const data = (o, tokens) => ({ text: `data: ${JSON.stringify(o)}\n\n`, tokens });
  const choice = (delta, finish_reason = null) => [{ index: 0, delta, logprobs: null, finish_reason }];
  const asked = a.body.stream_options?.include_usage === true;
  const list = [data(frame({ choices: choice({ role: "assistant", content: "" }) }))];
  const tool = a.plan.toolCall;
  if (tool) {
    const args = JSON.stringify(tool.args);
    list.push(data(frame({ choices: choice({ tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: tool.name, arguments: "" } }] }) })));
    for (let i = 0; i < args.length; i += 4)
      list.push(data(frame({ choices: choice({ tool_calls: [{ index: 0, function: { arguments: args.slice(i, i + 4) } }] }) }), 1));
  } else for (let i = 0; i < a.plan.tokens; i++) list.push(data(frame({ choices: choice({ content: WORD }) }), 1));
  const output = list.reduce((n, e) => n + (e.tokens ?? 0), a.plan.reasoning);
  const finish = frame({ choices: choice({}, tool ? "tool_calls" : "stop") });
  if (a.plan.usage === "zero") a.input = 0;
  const usage = chatUsage(a, a.plan.usage === "zero" ? 0 : output);
  if (a.plan.usageWithChoices) finish.usage = usage;
  list.push(data(finish));
  if (asked && usage && !a.plan.usageWithChoices) list.push(data(frame({ choices: [], usage })));
  list.push({ text: "data: [DONE]\n\n" });
  return list;
}

function messagesUsage(a, output) {
  if (a.plan.usage === "absent") return undefined;
  return { input_tokens: a.input, cache_creation_input_tokens: a.plan.cacheWrite, cache_read_input_tokens: a.plan.cacheRead, output_tokens: output, service_tier: "standard" };
}

function messagesBody(a, text, output) {
  const tool = a.plan.toolCall;
  return {
    id: "msg_mock", type: "message", role: "assistant", model: a.body.model,
    content: tool ? [{ type: "tool_use", id: "toolu_1", name: tool.name, input: tool.args }] : [{ type: "text", text }],
    stop_reason: tool ? "tool_use" : "end_turn", stop_sequence: null, usage: messagesUsage(a, output) ?? { input_tokens: a.input, output_tokens: output },
  };
}

function messagesEvents(a) {
  const event = (type, o, tokens) => ({ text: `event: ${type}\ndata: ${JSON.stringify({ type, ...o })}\n\n`, tokens });
  const tool = a.plan.toolCall;
  if (a.plan.usage === "zero") a.input = 0;
  const list = [event("message_start", {
    message: { id: "msg_mock", type: "message", role: "assistant", model: a.body.model, content: [], stop_reason: null, stop_sequence: null,
      usage: messagesUsage(a, a.plan.usage === "zero" ? 0 : 1) ?? {} },
  })];
  list.push(event("content_block_start", { index: 0, content_block: tool ? { type: "tool_use", id: "toolu_1", name: tool.name, input: {} } : { type: "text", text: "" } }));
  list.push(event("ping", {}));
  if (tool) {
    const args = JSON.stringify(tool.args);
    for (let i = 0; i < args.length; i += 4)
      list.push(event("content_block_delta", { index: 0, delta: { type: "input_json_delta", partial_json: args.slice(i, i + 4) } }, 1));
  } else for (let i = 0; i < a.plan.tokens; i++) list.push(event("content_block_delta", { index: 0, delta: { type: "text_delta", text: WORD } }, 1));
  const output = list.reduce((n, e) => n + (e.tokens ?? 0), a.plan.reasoning);
  list.push(event("content_block_stop", { index: 0 }));
  list.push(event("message_delta", {
    delta: { stop_reason: tool ? "tool_use" : "end_turn", stop_sequence: null },
    ...(a.plan.usage !== "absent" && { usage: { output_tokens: a.plan.usage === "zero" ? 0 : output } }),
  }));
  list.push(event("message_stop", {}));
  return list;
}
