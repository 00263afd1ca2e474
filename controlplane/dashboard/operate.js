// What an admin can do to a budget, and what was done to it.
import { h } from "./dom.js";
import { call } from "./api.js";
import { absolute, amount } from "./format.js";
import { say, table, when } from "./parts.js";

const DAY_MS = 86400000;
const UNITS = { usd: "US dollars", tokens: "tokens", requests: "calls" };
export const operation = { error: "" };

export const path = (b) => "/budgets/" + b.name.split("/").map(encodeURIComponent).join("/");

const which = (b) => (b.scope ? `${b.name} of ${b.scope.split("|").join(", ")}` : b.name);

// True: it was done. An error is shown at the page's top until the next operation.
async function operate(question, to, body, done, refresh) {
  if (!window.confirm(question)) return false;
  operation.error = "";
  try {
    await call("POST", to, body);
    say(done);
  } catch (e) {
    operation.error = e.message + (e.fix ? " " + e.fix : "");
  }
  refresh();
  return !operation.error;
}

export function release(lease, refresh) {
  return operate(`Write lease ${lease.id} off?\n\nDo this only when proxy ${lease.node} is gone for good. What it settled and held is charged, the rest is free again.`,
    "/leases/" + encodeURIComponent(lease.id) + "/release", {}, "The lease is written off", refresh);
}

function reset(b, refresh) {
  return operate(`Reset ${which(b)}?\n\nThe ${amount(b.settled, b.unit)} spent in the present window count no more. What is held or lent does.`,
    path(b) + "/reset", { scope: b.scope || undefined }, `${which(b)} is reset`, refresh);
}

async function raise(e, b, refresh) {
  e.preventDefault();
  const form = e.target, by = form.elements.by.value.trim(), until = new Date(form.elements.until.value);
  const sum = b.unit === "usd" ? "$" + by.replace(/^\$/, "") : `${by} ${UNITS[b.unit]}`;
  if (await operate(`Raise the limit of ${which(b)} by ${sum} until ${absolute(until.getTime())}?\n\nIt holds at once, and ends by itself.`,
    path(b) + "/raise", { by, untilMs: until.getTime(), scope: b.scope || undefined }, `${which(b)} is raised`, refresh))
    form.elements.by.value = "";
}

function deny(a, refresh) {
  return operate(`Deny ${which(a)} more?\n\nThe calls that wait are refused at once, and so are those of the next minute.`, path(a) + "/deny", { scope: a.scope || undefined }, `${which(a)} is denied more`, refresh);
}

// Calls that wait for a person. To let them go on, the limit is raised, at the budget itself.
export function asks(list, { now, role, refresh }) {
  const waiting = list.filter((a) => !a.denied);
  if (!waiting.length) return null;
  return h("section", { class: "banner asks", "aria-label": "Calls that wait for a person" }, h("ul", {}, waiting.map((a) =>
    h("li", { key: a.name + "|" + a.scope }, h("b", {}, which(a)), ` is used up; a call needs ${amount(a.need, a.unit)} and waits for somebody since `, when(a.sinceMs, now), ". ",
      role === "admin" ? ["Raise its limit below, or ", h("button", { class: "btn small", type: "button", onclick: () => deny(a, refresh), "aria-label": "Deny " + which(a) }, "Deny …")] : null))));
}

// As an input of type datetime-local writes it, which knows no time zone.
function local(ms) {
  const d = new Date(ms);
  return new Date(ms - d.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

// Kept, so that a poll does not put the suggestion in the place of what was typed.
const tomorrow = local(Date.now() + DAY_MS);

export function operations(b, { role, refresh }) {
  if (role !== "admin") return null;
  return h("form", { class: "operate", "aria-label": "Change " + which(b), onsubmit: (e) => raise(e, b, refresh) },
    h("label", { class: "field" }, "Raise by", h("input", { name: "by", required: true, size: 9, inputmode: "decimal", autocomplete: "off" }), UNITS[b.unit]),
    h("label", { class: "field" }, "until", h("input", { name: "until", type: "datetime-local", required: true, value: tomorrow })),
    h("button", { class: "btn small", type: "submit" }, "Raise …"),
    h("button", { class: "btn small", type: "button", onclick: () => reset(b, refresh), disabled: Boolean(b.unused) }, "Reset …"));
}

function words(e, b) {
  if (e.what === "deny") return "–";
  if (e.what === "reset") return `${amount(e.amount, b.unit)} forgotten`;
  return (e.amount > 0 ? "+" : "−") + amount(Math.abs(e.amount), b.unit);
}

export function entries(b, now) {
  const list = (b.entries || []).filter((e) => !e.scope || e.scope === b.scope);
  if (!list.length) return null;
  return table(`Changes of ${which(b)} by operators, the newest first`, [{ name: "Change" }, { name: "Amount", num: 1 }, { name: "Holds until" }, { name: "Who" }, { name: "When" }],
    list.map((e) => h("tr", { key: e.what + e.atMs + "|" + (e.scope || "") },
      h("th", { scope: "row" }, { raise: "Increase", reset: "Reset", correct: "Correction", deny: "Denied" }[e.what] || e.what, e.reason ? h("span", { class: "sub wrap" }, e.reason) : null),
      h("td", { class: "num" }, words(e, b)),
      h("td", {}, e.untilMs ? [absolute(e.untilMs), e.inForce ? null : h("span", { class: "sub" }, "over")] : "–"),
      h("td", {}, e.actor), h("td", {}, when(e.atMs, now)))));
}
