import { h } from "./dom.js";
import { call, query } from "./api.js";
import { absolute, amount, percent, span } from "./format.js";
import { budgetBar, burnDown } from "./charts.js";
import { asks, entries, operation, operations, path, release } from "./operate.js";
import { empty, head, panel, pill, table, when } from "./parts.js";

const NAMES = { usd: "US dollars", tokens: "tokens", requests: "calls" };
const ui = { open: new Set() };

function resets(b, now) {
  if (b.unused) return "not used yet";
  if (b.lengthMs) return "comes back bit by bit";
  if (b.resetsMs === null || b.resetsMs === undefined) return "never resets";
  return h("span", { title: absolute(b.resetsMs) }, "resets in " + span(b.resetsMs - now));
}

function forecast(b, now) {
  const f = b.forecast;
  if (!f) return null;
  const text = `at this rate ${amount(f.atEnd, b.unit)} by the window's end`;
  const until = f.exhaustedMs !== null && f.exhaustedMs > now ? `, the limit is reached in ${span(f.exhaustedMs - now)}` : "";
  return h("p", { class: f.atEnd > b.limit ? "forecast over" : "forecast dim", title: "Linear: what is spent and held, over the time since the window began." }, text + until);
}

function state(b) {
  if (b.mode === "observe") return pill("", "observed only", "Counted, never refused.");
  if (b.remaining <= 0 && b.settled >= b.limit) return pill("bad", "used up", "Calls are refused until the window resets.");
  if (b.settled + b.held > 0.8 * b.limit) return pill("warn", "nearly used up");
  return pill("good", "within the limit");
}

function holders(b, { now, role, refresh }) {
  if (!b.holders.length) return h("p", { class: "dim" }, "No proxy holds a slice of it now.");
  return table(`Slices of ${b.name} lent to proxies`, [{ name: "Proxy" }, { name: "Lent", num: 1 }, { name: "Spent", num: 1 }, { name: "In open calls", num: 1 }, { name: "Given back", num: 1 }, { name: "Last report" }, { name: "" }],
    b.holders.map((l) => h("tr", { key: l.id },
      h("th", { scope: "row" }, l.node, h("span", { class: "sub mono" }, l.id)),
      h("td", { class: "num" }, amount(l.granted, b.unit)),
      h("td", { class: "num" }, amount(l.settled, b.unit)),
      h("td", { class: "num" }, amount(l.held, b.unit)),
      h("td", { class: "num" }, amount(l.returned, b.unit)),
      h("td", {}, when(l.reportedMs, now)),
      h("td", {}, role === "admin" ? h("button", { class: "btn small", type: "button", onclick: () => release(l, refresh), "aria-label": "Write off lease " + l.id }, "Write off …") : null))));
}

function budget(b, ctx) {
  const f = (v) => amount(v, b.unit);
  const id = identity(b);
  const words = `${f(b.settled)} of ${f(b.limit)} spent, ${f(b.held)} in open calls, ${f(b.lent)} lent to proxies, ${f(b.remaining)} free`;
  return h("article", { class: "budget", key: id },
    h("div", { class: "row" },
      h("h3", {}, b.name, b.scope ? h("span", { class: "dim" }, " · " + b.scope.split("|").join(" · ")) : null, " ", state(b)),
      h("span", { class: "dim" }, `${NAMES[b.unit]} per ${b.window === "total" ? "lifetime" : b.lengthMs ? span(b.lengthMs) + ", rolling" : b.window}, ${b.mode} · `, resets(b, ctx.now))),
    h("div", { class: "row" },
      h("span", {}, h("b", {}, f(b.settled)), " of ", h("b", {}, f(b.limit)), h("span", { class: "dim" }, " · " + percent(b.settled, b.limit))),
      h("span", { class: "dim" }, `${f(b.held)} in open calls · ${f(b.lent)} lent · `, h("b", {}, f(b.remaining)), " free")),
    budgetBar({ ...b, label: words, text: words }),
    forecast(b, ctx.now),
    h("details", { open: ui.open.has(id) ? true : null, ontoggle: (e) => (e.target.open ? ui.open.add(id) : ui.open.delete(id)) },
      h("summary", {}, b.holders.length === 1 ? "1 proxy holds a slice" : `${b.holders.length} proxies hold a slice`),
      burn(b, ctx.now), holders(b, ctx), operations(b, ctx), entries(b, ctx.now), history(b)));
}

const identity = (b) => b.name + "|" + b.scope;

// The windows before this one and what operators did are fetched only for the budgets that are open.
async function load() {
  const [data, waiting] = await Promise.all([call("GET", "/budgets"), call("GET", "/asks")]);
  data.asks = waiting.items;
  const items = async (from) => (await call("GET", from).catch(() => ({ items: [] }))).items;
  await Promise.all(data.items.filter((b) => ui.open.has(identity(b))).map(async (b) => {
    [b.history, b.entries, b.burn] = await Promise.all([items(path(b) + "/history" + query({ scope: b.scope, limit: 12 })), items(path(b) + "/entries" + query({ limit: 50 })),
      call("GET", path(b) + "/burn" + query({ scope: b.scope })).catch(() => null)]);
  }));
  return data;
}

// What is left over the window's time, and where the forecast leads; the same numbers stand in a table for those who don't see it.
function burn(b, now) {
  const k = b.burn;
  if (!k || !k.points.length) return null;
  const end = k.resetsMs ?? (k.lengthMs ? now : null);
  const start = k.lengthMs ? now - k.lengthMs : k.startedMs || k.points[0].t - 86400000;
  const points = k.points.filter((p) => p.t >= start).map((p) => ({ t: Math.min(p.t, now), left: Math.max(0, k.limit - p.settled) }));
  const f = (v) => amount(v, b.unit);
  const last = Math.max(0, k.limit - k.settled);
  const to = k.forecast && end ? (k.forecast.exhaustedMs && k.forecast.exhaustedMs < end ? { t: k.forecast.exhaustedMs, left: 0 } : { t: end, left: Math.max(0, k.limit - k.forecast.atEnd) }) : null;
  return h("figure", { class: "burn" },
    h("figcaption", {}, "Left of the limit", h("span", { class: "dim" }, to ? " · dashed: at the present rate" : "")),
    burnDown({ width: 760, height: 180, start, end: end ?? now, now, limit: k.limit, points: [{ t: start, left: k.limit }, ...points, { t: now, left: last }], forecast: to, format: f,
      label: `Burn-down of ${b.name}: ${f(last)} of ${f(k.limit)} left` }),
    h("details", {}, h("summary", {}, "As a table"),
      table(`What was left of ${b.name}`, [{ name: "By" }, { name: "Left", num: 1 }], points.map((p) => h("tr", { key: p.t }, h("th", { scope: "row" }, absolute(p.t)), h("td", { class: "num" }, f(p.left)))))));
}

function history(b) {
  if (!b.history || b.history.length < 2) return null;
  const f = (v) => amount(v, b.unit);
  return table(`Windows of ${b.name}, the newest first`, [{ name: "Window from" }, { name: "Spent", num: 1 }, { name: "Limit", num: 1 }, { name: "Used", num: 1 }, { name: "" }],
    b.history.map((w) => h("tr", { key: w.startedMs },
      h("th", { scope: "row" }, absolute(w.startedMs)), h("td", { class: "num" }, f(w.settled)), h("td", { class: "num" }, f(w.limit)), h("td", { class: "num" }, percent(w.settled, w.limit)),
      h("td", {}, h("svg", { class: "share", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
        h("rect", { width: 100, height: 8 }), h("rect", { width: w.limit ? Math.min(100, (100 * w.settled) / w.limit) : 0, height: 8 }))))));
}

export const budgets = {
  title: "Budgets",
  load,
  view(data, ctx) {
    return [
      head("Budgets", "Money is reserved before a call leaves. Proxies spend from slices that are lent to them."),
      asks(data.asks, ctx),
      operation.error ? h("div", { class: "banner", role: "alert" }, h("p", {}, operation.error)) : null,
      panel("all", "Limits", h("ul", { class: "legend" },
        h("li", {}, h("span", { class: "swatch settled" }), "spent"), h("li", {}, h("span", { class: "swatch held" }), "in open calls"),
        h("li", {}, h("span", { class: "swatch leased" }), "lent, unused"), h("li", {}, h("span", { class: "swatch free" }), "free")),
        data.items.length
          ? data.items.map((b) => budget(b, ctx))
          : empty("No budget is set", "Without a budget nothing is refused. This one stops an agent at 20 dollars a day:",
              "apiVersion: weir.dev/v1alpha1\nkind: Budget\nmetadata:\n  name: daily\nspec:\n  limit: {usd: 20}\n  window: day\n  per: [agent]")),
    ];
  },
};
