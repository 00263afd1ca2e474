import { h } from "./dom.js";
import { call, query } from "./api.js";
import { count, percent, short, usd } from "./format.js";
import { SERIES, stacked } from "./charts.js";
import { cards, choice, empty, head, panel, table } from "./parts.js";

const RANGES = { "1h": "60s", "24h": "30m", "7d": "6h", "30d": "24h" };
const GROUPS = [["agent", "Agent"], ["model", "Model"], ["provider", "Provider"], ["project", "Project"], ["team", "Team"]];
const MEASURES = { cost: ["Cost", (p) => p.costNano, usd], tokens: ["Tokens", (p) => p.tokens, short], calls: ["Calls", (p) => p.calls, short] };
const ui = { since: "24h", by: "agent", measure: "cost" };

function series(data) {
  const [, value] = MEASURES[ui.measure];
  const step = data.stepMs;
  const first = Math.floor(data.fromMs / step) * step;
  const buckets = [];
  for (let t = first; t <= data.toMs && buckets.length < 400; t += step) buckets.push(t);
  const all = data.groups.map((g) => ({ name: g.key[0] || "(none)", values: buckets.map(() => 0) }));
  data.series.forEach((s) => {
    const target = all[s.group];
    if (!target) return;
    for (const p of s.points) {
      const i = Math.floor((p.t - first) / step);
      if (i >= 0 && i < buckets.length) target.values[i] += value(p);
    }
  });
  const shown = all.slice(0, SERIES);
  if (all.length > SERIES) {
    const rest = all.slice(SERIES);
    shown.push({ name: `${rest.length} others`, values: buckets.map((_, i) => rest.reduce((n, s) => n + s.values[i], 0)) });
  }
  return { buckets, shown };
}

function row(g, i, total) {
  const share = total.costNano ? g.costNano / total.costNano : 0;
  return h("tr", { key: g.key.join("|") },
    h("th", { scope: "row" }, h("span", { class: "swatch s" + Math.min(i, SERIES) }), g.key[0] || "(none)"),
    h("td", { class: "num", title: g.costNano / 1e9 + " USD" }, usd(g.costNano)),
    h("td", {}, h("svg", { class: "share", viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img", "aria-label": percent(g.costNano, total.costNano) },
      h("rect", { width: 100, height: 8 }), h("rect", { width: 100 * share, height: 8 })), " ", h("span", { class: "dim" }, percent(g.costNano, total.costNano))),
    h("td", { class: "num", title: count(g.calls) }, short(g.calls)),
    h("td", { class: "num", title: count(g.inputTokens) }, short(g.inputTokens)),
    h("td", { class: "num", title: count(g.outputTokens) }, short(g.outputTokens)),
    h("td", { class: "num", title: count(g.cacheReadTokens) }, short(g.cacheReadTokens)),
    h("td", { class: "num" }, count(g.refused)),
    h("td", { class: "num" }, count(g.failed)));
}

export const spend = {
  title: "Spend",
  load: () => call("GET", "/spend" + query({ by: ui.by, since: ui.since, step: RANGES[ui.since] })),
  view(data, { refresh }) {
    const t = data.total;
    const { buckets, shown } = series(data);
    const [measure, , format] = MEASURES[ui.measure];
    const set = (k) => (v) => {
      ui[k] = v;
      refresh();
    };
    const by = GROUPS.find(([v]) => v === data.by[0]) || GROUPS[0];
    const main = document.getElementById("main");
    const width = Math.max(300, Math.min(1380, (main ? main.clientWidth : 900) - (window.innerWidth > 960 ? 88 : 54)));
    return [
      head("Spend", "What the calls cost, from the same record that the budgets are settled with.",
        choice("Group by", GROUPS, ui.by, set("by")), choice("Time", Object.keys(RANGES).map((r) => [r, r]), ui.since, set("since"))),
      cards([
        { name: "Cost", value: usd(t.costNano), title: t.costNano / 1e9 + " USD", note: "last " + ui.since },
        { name: "Calls", value: short(t.calls), title: count(t.calls), note: t.calls ? usd(Math.round(t.costNano / t.calls)) + " each" : "" },
        { name: "Input tokens", value: short(t.inputTokens), title: count(t.inputTokens), note: t.cacheReadTokens ? short(t.cacheReadTokens) + " from cache" : "" },
        { name: "Output tokens", value: short(t.outputTokens), title: count(t.outputTokens), note: t.reasoningTokens ? short(t.reasoningTokens) + " reasoning" : "" },
        { name: "Refused by policy", value: count(t.refused), note: "cost nothing" },
        { name: "Failed", value: count(t.failed) },
      ]),
      t.calls === 0
        ? panel("none", "No calls in this time", null, empty("Nothing has been spent", "Point a harness at the gateway, or send one call:", "curl http://127.0.0.1:7070/v1/chat/completions -H \"authorization: Bearer $WEIR_KEY\" \\\n  -H \"content-type: application/json\" -d '{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'"))
        : [
            panel("chart", `${measure} over time by ${by[1].toLowerCase()}`, choice("Measure", Object.entries(MEASURES).map(([k, m]) => [k, m[0]]), ui.measure, (v) => { ui.measure = v; refresh(); }),
              h("div", { class: "body" },
                stacked({ width, height: 250, buckets, stepMs: data.stepMs, series: shown, format, label: `${measure} over the last ${ui.since}, stacked by ${by[1].toLowerCase()}; the table below has the totals` }),
                h("ul", { class: "legend", "aria-hidden": "true" }, shown.map((s, i) => h("li", { key: s.name }, h("span", { class: "swatch s" + Math.min(i, SERIES) }), s.name))))),
            panel("table", `By ${by[1].toLowerCase()}`, null,
              table(`Spend by ${by[1].toLowerCase()}`, [{ name: by[1] }, { name: "Cost", num: 1 }, { name: "Share" }, { name: "Calls", num: 1 }, { name: "Input tokens", num: 1 }, { name: "Output tokens", num: 1 }, { name: "Cache read", num: 1 }, { name: "Refused", num: 1 }, { name: "Failed", num: 1 }],
                data.groups.map((g, i) => row(g, i, t)))),
          ],
    ];
  },
};
