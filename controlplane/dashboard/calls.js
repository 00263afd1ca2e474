import { h } from "./dom.js";
import { call, query } from "./api.js";
import { absolute, amount, bytes, count, micros, short, usd } from "./format.js";
import { waterfall } from "./charts.js";
import { empty, facts, head, panel, pill, say, table, when } from "./parts.js";

const KEEP = 200;
const OUTCOMES = { ok: ["good", "ok"], refused: ["warn", "refused"], failed: ["bad", "failed"], aborted: ["", "aborted"], cut: ["warn", "cut"] };
const SAY_MS = 10000;
const ui = { paused: false, agent: "", model: "", outcome: "", newest: 0, unsaid: 0, saidAt: 0 };

// The tail for those who don't see it: how many came, not more often than every ten seconds.
function announce(data) {
  const now = Date.now();
  if (ui.newest) ui.unsaid += data.items.filter((c) => c.cursor > ui.newest).length;
  ui.newest = data.newest || ui.newest;
  if (!ui.unsaid || now - ui.saidAt < SAY_MS) return;
  say(ui.unsaid === 1 ? "1 new call" : ui.unsaid + " new calls");
  ui.saidAt = now;
  ui.unsaid = 0;
}

function outcome(c) {
  const [kind, text] = OUTCOMES[c.outcome] || ["", c.outcome || "unknown"];
  return pill(kind, text, c.errorDetail || c.errorCode || `status ${c.status}`);
}

function row(c, now) {
  const u = c.usage || {};
  return h("tr", { key: c.id, class: "link" },
    h("td", {}, h("a", { href: "#/calls/" + encodeURIComponent(c.id), "aria-label": "Details of call " + c.id }, when(c.startedMs, now))),
    h("td", {}, c.agent || h("span", { class: "dim" }, "unknown")),
    h("td", {}, c.servedModel || c.requestedModel || "–", h("span", { class: "sub" }, [c.provider, c.operation].filter(Boolean).join(" · "))),
    h("td", { class: "wrap" }, outcome(c), c.errorCode ? h("span", { class: "sub" }, c.errorCode) : null),
    h("td", { class: "num", title: count(u.inputTokens) }, short(u.inputTokens)),
    h("td", { class: "num", title: count(u.outputTokens) }, short(u.outputTokens), u.estimated ? h("span", { class: "sub" }, "estimated") : null),
    h("td", { class: "num" }, micros(c.firstTokenUs || c.firstByteUs)),
    h("td", { class: "num" }, micros(c.durationUs)),
    h("td", { class: "num", title: (c.costNano || 0) / 1e9 + " USD" }, c.priceSource === "unknown" ? h("span", { class: "dim", title: "No price is known for this model." }, "no price") : usd(c.costNano)));
}

function list(data, ctx) {
  const input = (name, label) => h("label", { class: "field" }, label, h("input", { type: "search", size: 12, value: ui[name], oninput: (e) => { ui[name] = e.target.value; ctx.refresh(); } }));
  return [
    head("Calls", ui.paused ? "Paused." : "The newest first, as they end.",
      input("agent", "Agent"), input("model", "Model"),
      h("label", { class: "field" }, "Outcome", h("select", { value: ui.outcome, onchange: (e) => { ui.outcome = e.target.value; ctx.refresh(); } },
        h("option", { value: "" }, "all"), Object.keys(OUTCOMES).map((o) => h("option", { value: o, key: o }, o)))),
      h("button", { class: "btn", type: "button", "aria-pressed": String(ui.paused), onclick: () => { ui.paused = !ui.paused; ctx.refresh(); } }, ui.paused ? "Go on" : "Pause")),
    panel("calls", "Live", data.items.length ? `${data.items.length} calls` : null, data.items.length
      ? table("Calls, newest first", [{ name: "Started" }, { name: "Agent" }, { name: "Model" }, { name: "Outcome" }, { name: "Input", num: 1 }, { name: "Output", num: 1 }, { name: "First token", num: 1 }, { name: "Duration", num: 1 }, { name: "Cost", num: 1 }],
          data.items.map((c) => row(c, ctx.now)))
      : empty("No calls", ui.agent || ui.model || ui.outcome ? "No call matches this filter." : "Calls appear here within a second or two of their end.")),
  ];
}

function timeline(c) {
  const rows = [{ name: "whole call", startUs: 0, endUs: c.durationUs, kind: "total" }];
  // The record has lengths only: attempts follow each other, and the last ends with the call.
  let at = Math.max(0, c.durationUs - (c.attempts || []).reduce((sum, a) => sum + a.durationUs, 0));
  (c.attempts || []).forEach((a, i) => {
    const end = Math.min(c.durationUs, at + a.durationUs);
    rows.push({ name: `${i + 1}. ${a.provider}`, startUs: at, endUs: end, kind: a.error || a.status >= 400 ? "failed" : "ok", text: `${micros(a.durationUs)}${a.error ? " · " + a.error : a.status ? " · " + a.status : ""}` });
    at = end;
  });
  if (c.firstTokenUs) rows.push({ name: "until the first token", startUs: 0, endUs: c.firstTokenUs, kind: "wait" });
  if (c.gatewayUs) rows.push({ name: "in the gateway", startUs: 0, endUs: c.gatewayUs, kind: "gateway" });
  return rows;
}

function detail(c) {
  const u = c.usage || {};
  return [
    head(c.requestedModel || c.operation || "Call", h("span", {}, h("code", {}, c.id), " · " + absolute(c.startedMs)), h("a", { class: "btn", href: "#/calls" }, "All calls")),
    c.errorCode ? h("div", { class: "banner" + (c.outcome === "refused" ? " warn" : "") }, h("h2", {}, `${c.status} ${c.errorCode}`), h("p", {}, c.errorDetail || "")) : null,
    panel("time", "Time", null, h("div", { class: "body" }, waterfall({ totalUs: c.durationUs, rows: timeline(c), format: micros }))),
    h("div", { class: "two" },
      panel("cost", "Cost", usd(c.costNano), (c.costParts || []).length
        ? table("Cost by kind", [{ name: "Kind" }, { name: "Count", num: 1 }, { name: "Price per million", num: 1 }, { name: "Cost", num: 1 }],
            c.costParts.map((p) => h("tr", { key: p.kind }, h("th", { scope: "row" }, p.kind), h("td", { class: "num" }, count(p.tokens)),
              h("td", { class: "num" }, p.kind === "request" ? usd(p.price) + " each" : usd(p.price)), h("td", { class: "num" }, usd(p.kind === "request" ? p.tokens * p.price : Math.ceil((p.tokens * p.price) / 1e6))))))
        : empty("No cost", c.priceSource === "unknown" ? "No price is known for this model." : "This call cost nothing.")),
      panel("holds", "Budgets", null, (c.holds || []).length
        ? table("What each budget held and settled", [{ name: "Budget" }, { name: "Held", num: 1 }, { name: "Settled", num: 1 }, { name: "" }],
            c.holds.map((b, i) => h("tr", { key: i }, h("th", { scope: "row" }, b.budget, b.scope ? h("span", { class: "sub" }, b.scope) : null), h("td", { class: "num" }, amount(b.held, b.unit)), h("td", { class: "num" }, amount(b.settled, b.unit)), h("td", {}, b.refused ? pill("warn", "refused") : null))))
        : empty("No budget", "No budget covers this call."))),
    panel("attempts", "Attempts", null, (c.attempts || []).length
      ? table("Attempts", [{ name: "Provider" }, { name: "Model" }, { name: "Status" }, { name: "Error" }, { name: "Duration", num: 1 }, { name: "Connection" }, { name: "Cost", num: 1 }],
          c.attempts.map((a, i) => h("tr", { key: i }, h("th", { scope: "row" }, a.provider), h("td", {}, a.model), h("td", {}, a.status || "–"), h("td", {}, a.error || "–"), h("td", { class: "num" }, micros(a.durationUs)), h("td", {}, a.reusedConnection ? "reused" : "new"), h("td", { class: "num" }, usd(a.costNano)))))
      : empty("No attempt", "The call was answered before it left the gateway.")),
    panel("facts", "Record", null, h("div", { class: "body" }, facts([
      ["Agent", c.agent], ["Key", c.key], ["Organisation", c.organization], ["Project", c.project], ["Team", c.team], ["Environment", c.environment], ["Namespace", c.namespace],
      ["Proxy", c.node], ["Route", c.route], ["Dialect", c.dialect], ["Requested model", c.requestedModel], ["Served model", c.servedModel], ["From the cache", c.cached ? "yes" : "no"], ["Streamed", c.stream ? "yes" : "no"],
      ["Status", c.status], ["Outcome", c.outcome], ["Finish reason", c.finishReason],
      ["Input tokens", count(u.inputTokens)], ["Output tokens", count(u.outputTokens) + (u.estimated ? " (estimated)" : "")], ["Cache read", count(u.cacheReadTokens)], ["Cache write", count(u.cacheWriteTokens)], ["Reasoning", count(u.reasoningTokens)],
      ["Price from", c.priceSource], ["Request", bytes(c.requestBytes)], ["Answer", bytes(c.responseBytes)], ["Chunks", count(c.chunks)],
      ["Session", c.session], ["Trace", c.traceId], ["Policy", c.policyRevision && c.policyRevision.slice(0, 12)], ["Client", c.userAgent],
    ]))),
  ];
}

export const calls = {
  title: "Calls",
  async load(args, before) {
    if (args[0]) return before && before.one && before.one.id === args[0] ? before : { one: await call("GET", "/calls/" + encodeURIComponent(args[0])) };
    if (ui.paused && before && before.items) return before;
    const data = await call("GET", "/calls" + query({ limit: KEEP, agent: ui.agent, model: ui.model, outcome: ui.outcome }));
    announce(data);
    return data;
  },
  view(data, ctx) {
    if (ctx.args[0]) return data.one ? detail(data.one) : head("Call", "Loading …");
    return data.items ? list(data, ctx) : head("Calls", "Loading …");
  },
};
