import { h } from "./dom.js";
import { call } from "./api.js";
import { empty, facts, head, panel, pill, table } from "./parts.js";

const path = (r) => [r.kind, r.metadata.namespace || "default", r.metadata.name].map(encodeURIComponent).join("/");

function condition(r, type) {
  return ((r.status && r.status.conditions) || []).find((c) => c.type === type);
}

function status(r) {
  const accepted = condition(r, "Accepted");
  const programmed = condition(r, "Programmed");
  if (accepted && accepted.status === "False") return pill("bad", "not accepted", accepted.message);
  if (programmed && programmed.status === "True") return pill("good", "in force", programmed.message);
  if (programmed && programmed.reason === "NoProxy") return pill("", "no proxy", programmed.message);
  if (programmed && programmed.reason === "Refused") return pill("bad", "refused", programmed.message);
  return pill("warn", "pending", programmed && programmed.message);
}

function row(r, current) {
  const id = path(r);
  return h("tr", { key: id, class: "link", "aria-selected": id === current ? "true" : null },
    h("th", { scope: "row" }, h("a", { href: "#/policy/" + id }, r.metadata.name), h("span", { class: "sub" }, r.metadata.namespace || "default")),
    h("td", {}, r.kind),
    h("td", {}, status(r)));
}

function detail(one) {
  if (!one) return panel("pick", "Resource", null, empty("Nothing is chosen", "Choose a resource to see its YAML and who enforces it."));
  const s = one.resource.status || {};
  const p = s.proxies || {};
  return panel("one-" + path(one.resource), `${one.resource.kind} ${one.resource.metadata.name}`, s.origin,
    h("div", { class: "body" }, facts([
      ["Enforced by", p.total ? `${p.programmed} of ${p.total} proxies` : "no proxy is connected"],
      ["Content", (s.version || "").slice(0, 12)], ["Made by", s.builtIn ? "Weir itself" : ""]])),
    table("Conditions", [{ name: "Condition" }, { name: "Status" }, { name: "Reason" }, { name: "Message" }],
      (s.conditions || []).map((c) => h("tr", { key: c.type }, h("th", { scope: "row" }, c.type), h("td", {}, c.status), h("td", {}, c.reason), h("td", { class: "wrap" }, c.message)))),
    h("pre", { class: "code", tabindex: "0", "aria-label": "YAML" }, one.yaml));
}

export const policy = {
  title: "Policy",
  async load(args) {
    const list = await call("GET", "/resources");
    if (args.length < 3) return { list, one: null };
    const id = args.map(encodeURIComponent).join("/");
    return { list, one: await call("GET", "/resources/" + id + "?yaml=true").catch(() => null) };
  },
  view({ list, one }, { args }) {
    const current = args.map(encodeURIComponent).join("/");
    return [
      head("Policy", list.revision ? h("span", {}, "Revision ", h("code", {}, list.revision.slice(0, 16)), list.source ? [" from ", h("code", {}, list.source)] : null) : "No policy is in force."),
      h("div", { class: "master" },
        panel("list", "Resources", `${list.items.length}`, list.items.length
          ? table("Resources", [{ name: "Name" }, { name: "Kind" }, { name: "Status" }], list.items.map((r) => row(r, current)))
          : empty("No resource", "The policy folder is empty; the built-in defaults hold.", "weir apply -f policy.yaml")),
        detail(one)),
    ];
  },
};
