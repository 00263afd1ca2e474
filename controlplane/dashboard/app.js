// The shell: sign-in, navigation, polling. Each page says what it needs to fetch and how it looks.
import { h, render } from "./dom.js";
import { ago } from "./format.js";
import { call, Refused } from "./api.js";
import { say } from "./parts.js";
import { fleet } from "./fleet.js";
import { spend } from "./spend.js";
import { budgets } from "./budgets.js";
import { calls } from "./calls.js";
import { policy } from "./policy.js";
import { audit } from "./audit.js";

const POLL_MS = 2000;
const pages = { fleet, spend, budgets, calls, policy, audit };
const state = { signedIn: null, role: "", page: "spend", args: [], data: null, error: null, policy: null, now: Date.now(), okAt: 0, version: "" };
let timer = 0;
let generation = 0;

function readHash() {
  const [name, ...args] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const page = pages[name] ? name : "spend";
  if (page !== state.page) {
    state.data = null;
    document.getElementById("tip").hidden = true;
  }
  state.page = page;
  state.args = args;
}

function ask() {
  readHash();
  generation++;
  clearTimeout(timer);
  poll(generation);
}

async function poll(gen) {
  const page = pages[state.page];
  try {
    const [data, status] = await Promise.all([page.load(state.args, state.data), call("GET", "/policy")]);
    if (gen !== generation) return;
    Object.assign(state, { data, policy: status, error: null, okAt: Date.now() });
  } catch (e) {
    if (gen !== generation) return;
    if (e instanceof Refused && e.status === 401) return signOut();
    state.error = e;
  }
  state.now = Date.now();
  draw();
  if (gen === generation) timer = setTimeout(() => poll(gen), document.hidden ? 5 * POLL_MS : POLL_MS);
}

function banners() {
  const out = [];
  if (state.error)
    out.push(h("div", { key: "conn", class: "banner", role: "alert" },
      h("h2", {}, state.error instanceof Refused ? "The control plane refused this request" : "The control plane does not answer"),
      h("p", {}, state.error.message + (state.error.fix ? " " + state.error.fix : "")),
      h("p", {}, state.okAt ? "What you see is from " + ago(state.okAt, state.now) + ". Proxies go on with the policy and the money that they hold." : "")));
  const errors = (state.policy && state.policy.errors) || [];
  if (errors.length)
    out.push(h("div", { key: "policy", class: "banner", role: "alert" },
      h("h2", {}, errors.length === 1 ? "The last policy edit has an error" : `The last policy edit has ${errors.length} errors`),
      h("p", {}, "The last good policy stays in force until this is mended."),
      h("ul", {}, errors.slice(0, 12).map((e, i) => h("li", { key: i }, h("code", {}, e.text)))),
      errors.length > 12 ? h("p", {}, `and ${errors.length - 12} more: weir validate -f shows them all.`) : null));
  return out;
}

function shell() {
  const page = pages[state.page];
  const errors = ((state.policy && state.policy.errors) || []).length;
  const link = (name) => h("li", {},
    h("a", { href: "#/" + name, "aria-current": name === state.page ? "page" : null }, pages[name].title,
      name === "policy" && errors ? h("span", { class: "badge", "aria-label": errors + " errors" }, errors) : null));
  return h("div", { class: "shell" },
    h("header", { class: "side" },
      h("a", { class: "brand", href: "#/spend" }, h("img", { src: "/assets/icon.svg", alt: "", width: 28, height: 28 }), "Weir"),
      h("nav", { "aria-label": "Pages" }, h("ul", {}, Object.keys(pages).map(link))),
      h("div", { class: "foot" },
        state.policy && state.policy.revision ? h("span", { title: state.policy.revision }, "policy ", h("code", {}, state.policy.revision.slice(0, 10))) : null,
        h("span", {}, state.role + (state.version ? " · " + state.version : "")),
        h("button", { class: "btn small", type: "button", onclick: leave }, "Sign out"))),
    h("main", { id: "main", tabindex: "-1" }, banners(),
      state.data
        ? page.view(state.data, { now: state.now, args: state.args, role: state.role, refresh: ask, draw })
        : [h("div", { class: "head" }, h("h1", {}, page.title)), state.error ? null : h("p", { class: "dim" }, "Loading …")]));
}

function draw() {
  const app = document.getElementById("app");
  if (!state.signedIn) return render(app, signIn());
  document.title = pages[state.page].title + " · Weir";
  render(app, shell());
}

function signIn() {
  return h("main", { id: "main", class: "signin", key: "signin" },
    h("p", { class: "brand" }, h("img", { src: "/assets/icon.svg", alt: "", width: 28, height: 28 }), "Weir"),
    h("div", { class: "panel" },
      h("form", { onsubmit: submit },
        h("h1", {}, "Sign in"),
        h("label", { for: "token" }, "Token"),
        h("input", { id: "token", type: "password", autocomplete: "current-password", required: true, "aria-describedby": "help" }),
        state.error ? h("p", { class: "error", role: "alert" }, state.error.message + (state.error.fix ? " " + state.error.fix : "")) : null,
        h("p", { id: "help", class: "dim" }, h("code", {}, "weir up"), " prints a link that signs you in. The token is also in ", h("code", {}, "admin.token"), " in the state folder."),
        h("button", { class: "btn main", type: "submit" }, "Sign in"))));
}

async function submit(e) {
  e.preventDefault();
  await enter({ token: document.getElementById("token").value.trim() });
}

async function enter(body) {
  try {
    const s = await call("POST", "/session", body);
    begin(s);
  } catch (e) {
    Object.assign(state, { signedIn: false, error: e });
    draw();
  }
}

function begin(s) {
  Object.assign(state, { signedIn: true, role: s.role, version: s.version || "", error: null });
  render(document.getElementById("app"));
  ask();
}

function signOut() {
  clearTimeout(timer);
  generation++;
  Object.assign(state, { signedIn: false, data: null, policy: null, error: null });
  render(document.getElementById("app"));
  draw();
}

async function leave() {
  await call("DELETE", "/session").catch(() => {});
  signOut();
}

async function start() {
  // The login link carries a code that works once, in the fragment, which no server log sees.
  const once = /^#login=([A-Za-z0-9_-]+)$/.exec(location.hash);
  if (once) {
    history.replaceState(null, "", "/#/spend");
    await enter({ login: once[1] });
    if (state.signedIn) return;
  }
  try {
    begin(await call("GET", "/session"));
  } catch (e) {
    Object.assign(state, { signedIn: false, error: e instanceof Refused && e.status === 401 ? state.error : e });
    draw();
  }
}

window.addEventListener("hashchange", () => {
  if (!state.signedIn) return;
  ask();
  draw();
  const main = document.getElementById("main");
  if (main) main.focus({ preventScroll: true });
  say(pages[state.page].title);
});
window.addEventListener("resize", () => state.signedIn && draw());
document.addEventListener("visibilitychange", () => !document.hidden && state.signedIn && ask());
start();
