import { h } from "./dom.js";
import { call } from "./api.js";
import { bytes, count, short } from "./format.js";
import { cards, empty, head, panel, pill, table, when } from "./parts.js";

const STATES = {
  acked: ["good", "in force", "This proxy enforces the current policy."],
  pending: ["warn", "pending", "The current policy was sent; the proxy has not answered yet."],
  nacked: ["bad", "refused", "The proxy refused the current policy and goes on with the one before."],
  gone: ["", "disconnected", "No stream is open. The proxy goes on with the policy and the money that it holds."],
};

function row(p, now) {
  const [kind, text, title] = STATES[p.connected ? p.state : "gone"] || STATES.pending;
  return h("tr", { key: p.node + p.incarnation },
    h("th", { scope: "row" }, p.node, h("span", { class: "sub" }, p.namespace)),
    h("td", { class: "wrap" }, pill(kind, text, title), (p.errors || []).map((e, i) => h("span", { class: "sub error", key: i }, `${e.kind}/${e.name}: ${e.path ? e.path + ": " : ""}${e.reason}`)), p.problem ? h("span", { class: "sub error" }, p.problem) : null),
    h("td", {}, h("code", { title: p.revision }, (p.revision || "none").slice(0, 10)), p.connected && p.revision !== p.targetRevision ? h("span", { class: "sub" }, "behind") : null),
    h("td", {}, when(p.lastSeenMs, now)),
    h("td", {}, when(p.connectedMs, now)),
    h("td", { class: "num" }, count(p.inFlight)),
    h("td", { class: "num", title: count(p.calls) }, short(p.calls)),
    h("td", { class: "num" }, bytes(p.residentBytes)),
    h("td", { class: "num" }, bytes(p.spoolBytes)),
    h("td", {}, p.build || "–", h("span", { class: "sub" }, p.workers === 1 ? "1 worker" : `${p.workers} workers`)));
}

export const fleet = {
  title: "Fleet",
  load: () => call("GET", "/fleet"),
  view(data, { now }) {
    const on = data.proxies.filter((p) => p.connected);
    const good = on.filter((p) => p.state === "acked" && p.revision === p.targetRevision);
    return [
      head("Fleet", "The proxies, and the policy that each one enforces."),
      cards([
        { name: "Proxies connected", value: count(on.length), note: data.proxies.length > on.length ? `${data.proxies.length - on.length} disconnected` : "" },
        { name: "On the current policy", value: `${good.length} of ${on.length}` },
        { name: "Refused the policy", value: count(on.filter((p) => p.state === "nacked").length) },
        { name: "Calls under way", value: count(on.reduce((n, p) => n + (p.inFlight || 0), 0)) },
      ]),
      panel("proxies", "Proxies", null, data.proxies.length
        ? table("Proxies with their policy", [{ name: "Proxy" }, { name: "Policy" }, { name: "Revision" }, { name: "Last seen" }, { name: "Connected" }, { name: "Under way", num: 1 }, { name: "Calls", num: 1 }, { name: "Memory", num: 1 }, { name: "Spool", num: 1 }, { name: "Version" }],
            data.proxies.map((p) => row(p, now)))
        : empty("No proxy is connected", "A proxy appears here when it opens its stream. On one machine, this starts one:", "weir up")),
    ];
  },
};
