// Pieces that several pages use.
import { h } from "./dom.js";
import { absolute, ago } from "./format.js";

// Told to screen readers, when they are done with what they read.
export function say(text) {
  document.getElementById("status").textContent = text;
}

export function head(title, note, ...tools) {
  return h("div", { class: "head" }, h("div", {}, h("h1", {}, title), note ? h("p", {}, note) : null), h("div", { class: "tools" }, tools));
}

export function panel(key, title, note, ...body) {
  return h("section", { class: "panel", key, "aria-label": title }, h("header", {}, h("h2", {}, title), note ? h("span", { class: "dim" }, note) : null), body);
}

export function table(caption, columns, rows) {
  return h("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" },
    h("table", {}, h("caption", { class: "visually-hidden" }, caption),
      h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col", class: c.num ? "num" : null }, c.name)))),
      h("tbody", {}, rows)));
}

export function empty(title, text, code) {
  return h("div", { class: "empty" }, h("b", {}, title), h("span", {}, text), code ? h("div", {}, h("pre", {}, code)) : null);
}

export function pill(kind, text, title) {
  return h("span", { class: "pill " + kind, title }, text);
}

export function when(ms, now) {
  return h("time", { datetime: ms ? new Date(ms).toISOString() : null, title: absolute(ms) }, ago(ms, now));
}

export function cards(list) {
  return h("dl", { class: "cards" }, list.map((c) => h("div", { class: "card", key: c.name }, h("dt", {}, c.name), h("dd", { title: c.title }, c.value, c.note ? h("small", {}, c.note) : null))));
}

export function facts(list) {
  return h("dl", { class: "facts" }, list.filter((f) => f[1] !== "" && f[1] !== null && f[1] !== undefined).map(([name, value]) => h("div", { key: name }, h("dt", {}, name), h("dd", {}, value))));
}

export function choice(label, options, current, pick) {
  return h("div", { class: "choice", role: "group", "aria-label": label },
    options.map(([value, text]) => h("button", { type: "button", key: value, "aria-pressed": String(value === current), onclick: () => pick(value) }, text)));
}
