import { h } from "./dom.js";
import { call, query, text } from "./api.js";
import { absolute, count } from "./format.js";
import { empty, facts, head, panel, pill, say, table, when } from "./parts.js";

const PAGE = 100;
const STEP = 200; // entries fetched at once when the chain is verified
const OUTCOMES = { done: "good", refused: "warn" };
const HASH = /^(.*),"hash":"([0-9a-f]{64})"\}$/s;
const ui = { after: null, actor: "", action: "", verify: null };

async function sha256(s) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(s));
  return [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
}

// What `weir audit verify` checks, by this browser itself: every entry fits its own hash, has the number after
// the one before, and names that one's hash. Null: it does.
async function contradiction(line, last) {
  const parts = HASH.exec(line);
  if (!parts) return `What stands after entry ${last.seq} is no entry.`;
  const entry = JSON.parse(line);
  if ((await sha256(parts[1] + "}")) !== parts[2]) return `Entry ${entry.seq} was changed: its hash does not fit it.`;
  if (entry.seq !== last.seq + 1) return `Entry ${last.seq + 1} is missing or out of order: ${entry.seq} stands in its place.`;
  if (entry.prev !== last.hash) return `Entry ${entry.seq} is chained to another entry ${last.seq} than the one that stands there.`;
  Object.assign(last, { seq: entry.seq, hash: parts[2] });
  return null;
}

async function walk(target, progress) {
  const last = { seq: 0, hash: "0".repeat(64) };
  while (last.seq < target.seq) {
    const lines = (await text("/audit/export" + query({ after: last.seq, limit: STEP }))).split("\n").filter(Boolean);
    if (!lines.length) return `The entries from ${last.seq + 1} on are missing.`;
    for (const line of lines) {
      const wrong = await contradiction(line, last);
      if (wrong) return wrong;
      if (last.seq === target.seq && last.hash !== target.hash) return `Entry ${last.seq} is another than the head that was shown.`;
    }
    progress(last.seq);
  }
  return null;
}

async function verify(target, draw) {
  const run = { seq: target.seq, hash: target.hash, at: 0, state: "running", why: "" };
  ui.verify = run;
  draw();
  try {
    if (!globalThis.crypto || !crypto.subtle) throw new Error("This browser hashes only over HTTPS or on this machine. Use weir audit verify.");
    run.why = (await walk(target, (seq) => { run.at = seq; draw(); })) || "";
    run.state = run.why ? "broken" : "good";
  } catch (e) {
    Object.assign(run, { state: "failed", why: e.message + (e.fix ? " " + e.fix : "") });
  }
  say(verdict(run));
  draw();
}

function verdict(run) {
  if (run.state === "running") return `Verifying: ${count(run.at)} of ${count(run.seq)} entries`;
  if (run.state === "good") return `Verified up to entry ${count(run.seq)}`;
  return run.state === "broken" ? "The chain is broken: " + run.why : "Not verified: " + run.why;
}

function chain({ head: newest }, { draw }) {
  const run = ui.verify;
  const kind = { good: "good", broken: "bad", failed: "warn", running: "" };
  return panel("chain", "Chain", null, h("div", { class: "body" },
    facts([
      ["Newest entry", count(newest.seq)],
      ["Its hash", newest.seq ? h("code", {}, newest.hash) : ""],
      ["State", run ? [pill(kind[run.state], run.state === "good" ? "verified" : run.state), h("span", { class: "sub" }, verdict(run))] : pill("", "not verified here")],
    ]),
    h("p", { class: "actions" }, h("button", { class: "btn", type: "button", disabled: !newest.seq || (run && run.state === "running"), onclick: () => verify(newest, draw) }, "Verify the chain"),
      h("span", { class: "dim" }, "Your browser computes every hash anew. Entries cut off at the end show only against a head that you kept elsewhere."))));
}

function row(e, now) {
  const detail = e.detail ? JSON.stringify(e.detail, null, 2) : e.detailBytes ? `${count(e.detailBytes)} bytes, too long to keep` : "";
  return h("tr", { key: e.seq },
    h("th", { scope: "row", class: "num" }, e.seq),
    h("td", {}, when(e.atMs, now)),
    h("td", {}, e.actor, e.from ? h("span", { class: "sub" }, e.from) : null),
    h("td", {}, e.action, e.of ? h("span", { class: "sub" }, "of entry " + e.of) : null),
    h("td", { class: "wrap" }, e.object || "–"),
    h("td", {}, e.outcome ? pill(OUTCOMES[e.outcome] || "", e.outcome) : null),
    h("td", { class: "wrap" }, h("details", {}, h("summary", { "aria-label": "More of entry " + e.seq }, "More"),
      h("dl", { class: "more" }, [["Time", absolute(e.atMs)], ["Replica", e.replica], ["Before", e.before], ["After", e.after], ["Detail", detail], ["Hash", e.hash], ["Previous hash", e.prev]]
        .filter((f) => f[1]).map(([name, value]) => h("div", { key: name }, h("dt", {}, name), h("dd", { class: "mono" }, value)))))));
}

function pick(label, name, values, draw) {
  // The choice stays in the list even when the page shown has no such entry.
  const options = [...new Set([...values, ui[name]].filter(Boolean))].sort();
  return h("label", { class: "field" }, label, h("select", { value: ui[name], onchange: (e) => { ui[name] = e.target.value; draw(); } },
    h("option", { value: "", key: "" }, "all"), options.map((v) => h("option", { value: v, key: v }, v))));
}

function pager(items, newest, refresh) {
  const first = items.length ? items[0].seq : 0, last = items.length ? items[items.length - 1].seq : 0;
  const go = (after) => { ui.after = after; refresh(); };
  return h("nav", { class: "pager", "aria-label": "Pages of the audit log" },
    h("button", { class: "btn small", type: "button", disabled: ui.after === null, onclick: () => go(null) }, "Newest"),
    h("button", { class: "btn small", type: "button", disabled: ui.after === null, onclick: () => go(last + PAGE >= newest.seq ? null : last) }, "Newer"),
    h("button", { class: "btn small", type: "button", disabled: first <= 1, onclick: () => go(Math.max(0, first - 1 - PAGE)) }, "Older"));
}

function entries(data, { now, refresh, draw }) {
  const { items } = data;
  const shown = items.filter((e) => (!ui.actor || e.actor === ui.actor) && (!ui.action || e.action === ui.action)).reverse();
  const range = items.length ? `entries ${count(items[0].seq)} to ${count(items[items.length - 1].seq)}` : "";
  const note = !range ? null : shown.length < items.length ? `${shown.length} of ${range}` : range;
  return panel("entries", "Entries", note,
    h("div", { class: "body tools" }, pick("Actor", "actor", items.map((e) => e.actor), draw), pick("Action", "action", items.map((e) => e.action), draw), pager(items, data.head, refresh)),
    shown.length
      ? table("Audit entries, the newest first", [{ name: "Entry", num: 1 }, { name: "When" }, { name: "Who" }, { name: "Action" }, { name: "Object" }, { name: "Outcome" }, { name: "" }], shown.map((e) => row(e, now)))
      : items.length
        ? empty("No entry on this page matches", `The filter looks at ${range}. Older and newer pages may have some.`)
        : empty("Nothing was changed yet", "Each change of policy, budgets and keys is written here before it is made, and once more when it is done."));
}

export const audit = {
  title: "Audit",
  async load() {
    const after = ui.after;
    return call("GET", "/audit" + query({ after, limit: PAGE }));
  },
  view(data, ctx) {
    return [head("Audit", "Who changed what. Each entry holds the hash of the one before."), chain(data, ctx), entries(data, ctx)];
  },
};
