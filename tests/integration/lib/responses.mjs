// A provider that speaks OpenAI Responses, beside what every mock speaks: strict about requests, exact about its items and events,
// and it keeps the answers that it is asked to keep.
import { Mock, WORD, tokensOf } from "./mock.mjs";
import { provider, route, setting } from "./setup.mjs";

const FIELDS = new Set(`model input instructions stream stream_options max_output_tokens max_tool_calls metadata parallel_tool_calls
  previous_response_id conversation prompt prompt_cache_key prompt_cache_retention prompt_cache_options reasoning safety_identifier
  service_tier store temperature text tool_choice tools top_logprobs top_p truncation user include context_management moderation
  client_metadata background`.split(/\s+/));
const ITEMS = new Set(`message function_call function_call_output reasoning custom_tool_call custom_tool_call_output item_reference
  additional_tools web_search_call`.split(/\s+/));
const PARTS = new Set("input_text input_image input_file output_text refusal".split(" "));

const list = (c) => (Array.isArray(c) ? c : []);
const text = (c) => (typeof c === "string" ? c : list(c).map((p) => p.text ?? "").join(""));

export class ResponsesMock extends Mock {
  kept = new Map();

  dialectOf(req) {
    return req.url.split("?")[0].endsWith("/v1/responses") ? "responses" : super.dialectOf(req);
  }

  answersItself(req, res) {
    const [path] = req.url.split("?");
    const id = path.match(/^\/v1\/responses\/([^/]+)(\/\w+)?$/);
    if (path === "/v1/responses/input_tokens") this.json(res, 200, { object: "response.input_tokens", input_tokens: 7 });
    else if (!id) return false;
    else if (!this.kept.has(id[1])) this.json(res, 404, { error: { message: `Response with id '${id[1]}' not found.`, type: "invalid_request_error", param: null, code: null } });
    else this.about(req, res, id[1], id[2]);
    return true;
  }

  about(req, res, id, what) {
    if (req.method === "DELETE") {
      this.kept.delete(id);
      return this.json(res, 200, { id, object: "response", deleted: true });
    }
    if (what === "/input_items") return this.json(res, 200, { object: "list", data: [{ id: "msg_in", type: "message", role: "user", content: [] }], has_more: false, first_id: "msg_in", last_id: "msg_in" });
    return this.json(res, 200, { ...this.kept.get(id), status: what === "/cancel" ? "cancelled" : "completed" });
  }

  promptOf(body) {
    return body.messages ? super.promptOf(body) : (body.instructions ?? "") + (typeof body.input === "string" ? body.input : list(body.input).map((i) => text(i.content) + text(i.output)).join(""));
  }

  checkBody(dialect, body) {
    if (dialect !== "responses") return super.checkBody(dialect, body);
    for (const k of Object.keys(body)) if (!FIELDS.has(k)) this.problem(`unknown field ${k}`);
    if (typeof body.input !== "string" && !Array.isArray(body.input)) this.problem("input is neither text nor list");
    for (const i of list(body.input)) this.checkItem(i);
    for (const t of body.tools ?? []) if (t.type === "function" && (typeof t.strict !== "boolean" || !t.parameters)) this.problem(`tool ${t.name} lacks strict or parameters`);
  }

  checkItem(i) {
    if (i.type && !ITEMS.has(i.type)) this.problem(`unknown item ${i.type}`);
    for (const p of [...list(i.content), ...list(i.output)]) if (!PARTS.has(p.type)) this.problem(`unknown part ${p.type}`);
    if (i.role === "assistant" && list(i.content).some((p) => p.type.startsWith("input_"))) this.problem("input_* in an assistant's message");
    if (i.type?.startsWith("function_call") && !i.call_id) this.problem(`${i.type} without call_id`);
    if (i.type === "reasoning" && !(i.id && Array.isArray(i.summary))) this.problem("reasoning without id or summary");
  }

  bodyOf(a, words, output) {
    if (a.dialect !== "responses") return super.bodyOf(a, words, output);
    const r = { ...response(a), status: "completed", output: itemsOf(a, words), usage: usageOf(a, output) };
    if (a.body.store !== false) this.kept.set(r.id, r);
    return r;
  }

  eventsOf(a) {
    return a.dialect === "responses" ? responsesEvents(a) : super.eventsOf(a);
  }
}

const response = (a) => ({
  id: `resp_${a.call.at}`, object: "response", created_at: 1_700_000_000, status: "in_progress", error: null, incomplete_details: null,
  instructions: a.body.instructions ?? null, metadata: {}, model: a.body.model, output: [], parallel_tool_calls: true, temperature: 1,
  tool_choice: "auto", tools: a.body.tools ?? [], top_p: 1, store: a.body.store ?? true, usage: null,
});

const usageOf = (a, output) => ({
  input_tokens: a.input, input_tokens_details: { cached_tokens: a.plan.cacheRead, cache_write_tokens: 0 }, output_tokens: output,
  output_tokens_details: { reasoning_tokens: a.plan.reasoning }, total_tokens: a.input + output,
});

// plan.reason: a summary to tell, signed; plan.toolCall as everywhere, or with an input: {name, space, input}.
function itemsOf(a, words) {
  const items = [];
  if (a.plan.reason) items.push({ id: "rs_1", type: "reasoning", summary: [{ type: "summary_text", text: a.plan.reason }], encrypted_content: "gAAAAB" });
  const { toolCall: tool } = a.plan;
  if (tool?.input) items.push({ id: "ctc_1", type: "custom_tool_call", status: "completed", call_id: "call_1", name: tool.name, namespace: tool.space, input: tool.input });
  else if (tool) items.push({ id: "fc_1", type: "function_call", status: "completed", call_id: "call_1", name: tool.name, arguments: JSON.stringify(tool.args) });
  else items.push({ id: "msg_1", type: "message", status: "completed", role: "assistant", content: [{ type: "output_text", text: words, annotations: [], logprobs: [] }] });
  return items;
}

export function responsesEvents(a) {
  const events = [], add = (type, o, tokens) => events.push({ text: `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: events.length, ...o })}\n\n`, tokens });
  const items = itemsOf(a, WORD.repeat(a.plan.tokens));
  add("response.created", { response: response(a) });
  add("response.in_progress", { response: response(a) });
  items.forEach((item, output_index) => itemEvents(add, item, output_index));
  const output = events.reduce((n, e) => n + (e.tokens ?? 0), a.plan.reasoning);
  add("response.completed", { response: { ...response(a), status: "completed", output: items, usage: a.plan.usage === "absent" ? null : usageOf(a, output) } });
  return events;
}

// Each item's events; add(type, event, tokens) keeps them.
export function itemEvents(add, item, output_index) {
  const at = { item_id: item.id, output_index };
  const empty = { message: { content: [], status: "in_progress" }, function_call: { arguments: "", status: "in_progress" }, custom_tool_call: { input: "", status: "in_progress" }, reasoning: { summary: [], encrypted_content: null } };
  add("response.output_item.added", { output_index, item: { ...item, ...empty[item.type] } });
  if (item.type === "message") {
    const part = item.content[0], place = { ...at, content_index: 0 };
    if (part.type === "refusal") return refusalEvents(add, item, output_index, part, place);
    add("response.content_part.added", { ...place, part: { ...part, text: "" } });
    for (let i = 0; i < part.text.length; i += 4) add("response.output_text.delta", { ...place, delta: part.text.slice(i, i + 4), logprobs: [] }, 1);
    add("response.output_text.done", { ...place, text: part.text, logprobs: [] });
    add("response.content_part.done", { ...place, part });
  } else if (item.type === "custom_tool_call") {
    for (let i = 0; i < item.input.length; i += 4) add("response.custom_tool_call_input.delta", { ...at, delta: item.input.slice(i, i + 4) }, 1);
    add("response.custom_tool_call_input.done", { ...at, input: item.input });
  } else if (item.type === "function_call") {
    for (let i = 0; i < item.arguments.length; i += 4) add("response.function_call_arguments.delta", { ...at, delta: item.arguments.slice(i, i + 4) }, 1);
    add("response.function_call_arguments.done", { ...at, name: item.name, arguments: item.arguments });
  } else {
    const part = item.summary[0], place = { ...at, summary_index: 0 };
    add("response.reasoning_summary_part.added", { ...place, part: { ...part, text: "" } });
    add("response.reasoning_summary_text.delta", { ...place, delta: part.text }, 1);
    add("response.reasoning_summary_text.done", { ...place, text: part.text });
    add("response.reasoning_summary_part.done", { ...place, part });
  }
  add("response.output_item.done", { output_index, item });
}

function refusalEvents(add, item, output_index, part, place) {
  add("response.content_part.added", { ...place, part: { ...part, refusal: "" } });
  for (let i = 0; i < part.refusal.length; i += 4) add("response.refusal.delta", { ...place, delta: part.refusal.slice(i, i + 4) }, 1);
  add("response.refusal.done", { ...place, refusal: part.refusal });
  add("response.content_part.done", { ...place, part });
  add("response.output_item.done", { output_index, item });
}

// The usual setting with a provider `re` that speaks Responses alone, and a model for each provider: to-re, to-oa, to-an.
export const responsesSetting = (t, { extra = "", more = "", ...rest } = {}) => setting(t, {
  provider: ResponsesMock,
  more: (mock, caFile) => provider("re", "openaiResponses", mock.url, { caFile })
    + ["re", "oa", "an"].map((p) => route(`to-${p}`, [[{ provider: p, model: "mock-small" }]], `  models: [to-${p}]\n${extra}`)).join("")
    + (typeof more === "function" ? more(mock, caFile) : more),
  ...rest,
});

export { tokensOf };
