// The dashboard in a real browser, with calls that went through a proxy: every page, sign-in, keyboard, a bad policy edit.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { artifacts, budget, chat, records, setting, settled, until } from "../integration/lib/setup.mjs";

const BROWSER = process.env.WEIR_CHROMIUM ?? "/usr/bin/chromium";

async function browser(t, weir, options = {}) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), "weir-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: BROWSER, headless: true, viewport: { width: 1280, height: 860 }, ...options,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  t.after(async () => {
    await context.close();
    fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const origin = `http://127.0.0.1:${weir.apiPort}`;
  const seen = { console: [], foreign: [], failed: [] };
  page.on("console", (m) => { if (["error", "warning"].includes(m.type())) seen.console.push(`${m.text()} ${m.location().url}`); });
  page.on("pageerror", (e) => seen.console.push(String(e)));
  context.on("request", (r) => { if (!r.url().startsWith(`${origin}/`) && !r.url().startsWith("data:")) seen.foreign.push(r.url()); });
  page.on("response", (r) => { if (r.status() >= 400) seen.failed.push(`${r.status()} ${r.url()}`); });
  return { page, context, origin, seen };
}

async function signedIn(t, weir, options) {
  const b = await browser(t, weir, options);
  const { login } = await weir.api("/logins", { method: "POST" });
  await b.page.goto(`${b.origin}/#login=${login}`);
  await b.page.getByRole("navigation", { name: "Pages" }).waitFor();
  return b;
}

const shot = async (page, name) => {
  fs.mkdirSync(artifacts, { recursive: true });
  await page.screenshot({ path: path.join(artifacts, `dashboard-${name}.png`), fullPage: true });
};

// Nothing may go wrong behind the page; a probe of a session that is not there answers 401 and is no error of ours.
function quiet(seen, but = /^$/) {
  assert.deepEqual(seen.foreign, []);
  assert.deepEqual(seen.console.filter((c) => !but.test(c)), []);
  assert.deepEqual(seen.failed.filter((c) => !but.test(c)), []);
}

async function busy(t) {
  const s = await setting(t, {
    budgets: budget("daily", "{usd: 5}", { window: "day" }) + budget("rate", "{requests: 50}", { window: "minute", extra: "  per: [agent]" }),
    routeExtra: "  models: ['mock-*']",
    plan: (c, n) => (n === 4 ? { status: 500, body: { error: { message: "mock says no", type: "server_error" } } } : { tokens: 5 + (n % 7) * 8 }),
  });
  const ignore = () => {};
  for (let i = 0; i < 6; i++) await s.openai.chat.completions.create(chat({ max_tokens: 200 })).catch(ignore);
  for (let i = 0; i < 4; i++) await s.anthropic.messages.create(chat({ model: "mock-large", max_tokens: 200 })).catch(ignore);
  for await (const _ of await s.openai.chat.completions.create(chat({ stream: true })));
  await s.openai.chat.completions.create(chat({ model: "nowhere" })).catch(ignore);
  await records(s.weir, 12);
  await settled(s.weir, "daily", s.mock.bill);
  return s;
}

test("sign-in: a wrong token is refused with the way out, the right one opens the dashboard, sign-out closes it", async (t) => {
  const { weir } = await setting(t);
  const { page, origin, seen } = await browser(t, weir);
  await page.goto(origin);
  const field = page.getByLabel("Token");
  await field.fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  await shot(page, "signin");
  await field.fill(weir.token);
  await field.press("Enter");
  await page.getByRole("heading", { name: "Spend", level: 1 }).waitFor();
  const cookies = await page.context().cookies();
  assert.equal(cookies.length, 1);
  assert.ok(cookies[0].httpOnly && cookies[0].sameSite === "Strict");
  assert.equal(await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })), "{}");
  await page.reload();
  await page.getByRole("heading", { name: "Spend", level: 1 }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Token").waitFor();
  await page.reload();
  await page.getByLabel("Token").waitFor();
  quiet(seen, /401/);
});

test("a login link works once", async (t) => {
  const { weir } = await setting(t);
  const { login } = await weir.api("/logins", { method: "POST" });
  const first = await browser(t, weir);
  await first.page.goto(`${first.origin}/#login=${login}`);
  await first.page.getByRole("heading", { name: "Spend", level: 1 }).waitFor();
  assert.ok(!first.page.url().includes(login), "the code leaves the address");
  const second = await browser(t, weir);
  await second.page.goto(`${second.origin}/#login=${login}`);
  await second.page.getByLabel("Token").waitFor();
});

test("every page shows what really happened", async (t) => {
  const { weir, mock } = await busy(t);
  const { page, origin, seen } = await signedIn(t, weir);
  const body = () => page.locator("main").innerText();

  await page.getByRole("heading", { name: "Spend", level: 1 }).waitFor();
  await until(async () => /tester/.test(await body()), "the agent's spend");
  const cost = await page.locator(".card").filter({ has: page.getByText("Cost", { exact: true }) }).locator("dd").getAttribute("title");
  assert.equal(BigInt(Math.round(Number.parseFloat(cost) * 1e9)), mock.bill);
  await page.getByRole("button", { name: "Model", exact: true }).click();
  await until(async () => /mock-large/.test(await body()), "spend by model");
  await shot(page, "spend");

  await page.goto(`${origin}/#/fleet`);
  await page.getByRole("heading", { name: "Fleet", level: 1 }).waitFor();
  await until(async () => /proxy0[\s\S]*in force/.test(await body()), "the proxy");
  await shot(page, "fleet");

  await page.goto(`${origin}/#/budgets`);
  await until(async () => /default\/daily[\s\S]*within the limit/.test(await body()), "the budget");
  await page.locator("summary").first().click();
  await page.getByRole("table").first().waitFor();
  await shot(page, "budgets");

  await page.goto(`${origin}/#/calls`);
  await until(async () => /12 calls/i.test(await body()), "the calls");
  await shot(page, "calls");
  await page.getByLabel("Outcome").selectOption("refused");
  await until(async () => /\b1 calls?\b/i.test(await body()) && /model_not_found/.test(await body()), "the filter");
  await page.getByLabel("Outcome").selectOption("");
  await until(async () => /12 calls/i.test(await body()), "all calls");
  await page.getByRole("row", { name: /mock-large/ }).first().getByRole("link").click();
  await until(async () => /req_[0-9a-f]+/.test(page.url()), "a call's page");
  await until(async () => /whole call[\s\S]*default\/daily/i.test(await body()), "the timeline and the budget");
  await shot(page, "call");

  await page.goto(`${origin}/#/policy`);
  await until(async () => /Provider/.test(await body()) && /daily/.test(await body()), "the resources");
  await page.getByRole("link", { name: /daily/ }).first().click();
  await until(async () => /kind: Budget/.test(await body()), "a resource's YAML");
  await shot(page, "policy");
  quiet(seen);
});

test("a new call appears without a reload; dark mode and a narrow window stay readable", async (t) => {
  const { weir, openai } = await busy(t);
  const { page, origin, seen } = await signedIn(t, weir, { colorScheme: "dark" });
  await page.goto(`${origin}/#/calls`);
  await until(async () => /12 calls/i.test(await page.locator("main").innerText()), "the calls");
  await openai.chat.completions.create(chat());
  await until(async () => /13 calls/i.test(await page.locator("main").innerText()), "the new call");
  await shot(page, "calls-dark");
  for (const [name, width] of [["spend", 390], ["budgets", 390], ["fleet", 390], ["audit", 390]]) {
    await page.setViewportSize({ width, height: 800 });
    await page.goto(`${origin}/#/${name}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await until(async () => !/Loading/.test(await page.locator("main").innerText()), "the page");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${name} is ${wide} px wider than the window`);
    await shot(page, `${name}-narrow`);
  }
  quiet(seen);
});

test("a bad policy edit shows file, line and path on every page until it is mended", async (t) => {
  const { weir, policy } = await setting(t);
  const { page, origin, seen } = await signedIn(t, weir);
  weir.writePolicy(policy.replace("maxOutputTokens: 1000", "maxOutputTokens: lots"));
  const banner = page.getByRole("alert");
  await banner.waitFor();
  const text = await banner.innerText();
  assert.match(text, /policy\.yaml:\d+/);
  assert.match(text, /maxOutputTokens/);
  assert.match(text, /last good policy stays in force/);
  await page.goto(`${origin}/#/fleet`);
  await page.getByRole("heading", { name: "Fleet", level: 1 }).waitFor();
  await banner.waitFor();
  await shot(page, "bad-policy");
  weir.writePolicy(policy);
  await banner.waitFor({ state: "detached" });
  quiet(seen);
});

test("a control plane that is gone is said, what was known stays, and it recovers by itself", async (t) => {
  const { weir } = await busy(t);
  const { page } = await signedIn(t, weir);
  await until(async () => /tester/.test(await page.locator("main").innerText()), "data");
  await weir.control.stop();
  await page.getByRole("alert").waitFor();
  assert.match(await page.getByRole("alert").innerText(), /does not answer/);
  assert.match(await page.locator("main").innerText(), /tester/);
  await shot(page, "control-gone");
  await weir.startControl();
  await page.getByRole("alert").waitFor({ state: "detached" });
});

test("keyboard only: skip link, navigation, focus that can be seen, a call's details", async (t) => {
  const { weir } = await busy(t);
  const { page, seen } = await signedIn(t, weir);
  await page.evaluate(() => document.activeElement?.blur());
  const focused = () => page.evaluate(() => {
    const e = document.activeElement, s = getComputedStyle(e);
    return { text: (e.getAttribute("aria-label") ?? e.innerText ?? "").trim(), outline: s.outlineStyle !== "none" || s.boxShadow !== "none", tag: e.tagName };
  });
  await page.keyboard.press("Tab");
  assert.equal((await focused()).text, "Skip to content");
  const order = [];
  for (let i = 0; i < 8; i++) {
    await page.keyboard.press("Tab");
    const f = await focused();
    order.push(f.text);
    assert.ok(f.outline, `focus on ${f.text} can't be seen`);
  }
  for (const name of ["Fleet", "Spend", "Budgets", "Calls", "Policy", "Audit"]) assert.ok(order.includes(name), `${name} in ${order}`);
  await page.getByRole("link", { name: "Calls", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Calls", level: 1 }).waitFor();
  await page.getByRole("link", { name: /Details of call/ }).first().waitFor();
  for (let i = 0; i < 40 && !/^Details of call/.test((await focused()).text); i++) await page.keyboard.press("Tab");
  assert.match((await focused()).text, /^Details of call/);
  await page.keyboard.press("Enter");
  await until(() => /req_/.test(page.url()), "the call");
  quiet(seen);
});

test("the audit page shows who changed what, filters, turns pages, and verifies the chain itself", async (t) => {
  const { weir } = await setting(t, { budgets: budget("calls", "{requests: 3}") });
  const { page, origin, seen } = await signedIn(t, weir);
  const body = () => page.locator("main").innerText();
  const reset = () => weir.api("/budgets/default/calls/reset", { method: "POST", body: "{}" });
  await weir.api("/budgets/default/calls/raise", { method: "POST", body: JSON.stringify({ by: "2", untilMs: Date.now() + 3600000 }) });
  await page.goto(`${origin}/#/audit`);
  await until(async () => /budget\.raise/.test(await body()), "the entries");
  const { head } = await weir.api("/audit");
  assert.ok((await body()).includes(head.hash));
  await shot(page, "audit");

  await page.getByLabel("Action").selectOption("budget.raise");
  const rows = page.getByRole("table").locator("tbody tr");
  await until(async () => (await rows.count()) === 2, "the filter");
  assert.match(await rows.first().innerText(), /admin[\s\S]*127\.0\.0\.1[\s\S]*default\/calls[\s\S]*done/);
  await rows.first().locator("summary").press("Enter");
  await until(async () => /"by": 2000000000|"by": 2/.test(await rows.first().innerText()), "an entry's detail");
  await page.getByLabel("Action").selectOption("");

  for (let i = 0; i < 55; i++) await reset();
  await until(async () => Number((await body()).match(/Newest entry\s+([\d,]+)/)[1]) > 110, "the new head");
  await page.getByRole("button", { name: "Older" }).click();
  await until(async () => (await rows.last().locator("th").innerText()) === "1", "the first entry");
  assert.ok(await page.getByRole("button", { name: "Older" }).isDisabled());
  await page.getByRole("button", { name: "Verify the chain" }).click();
  await until(async () => /Verified up to entry 1\d\d/.test(await body()), "the verdict");
  await shot(page, "audit-verified");
  await page.getByRole("button", { name: "Newest" }).click();
  await until(async () => Number(await rows.last().locator("th").innerText()) > 10, "the newest page");
  quiet(seen);
});

test("the audit page names the first entry that was changed behind the control plane's back", async (t) => {
  const { weir } = await setting(t, { budgets: budget("calls", "{requests: 3}") });
  const { page, origin } = await signedIn(t, weir);
  for (let i = 0; i < 3; i++) await weir.api("/budgets/default/calls/reset", { method: "POST", body: "{}" });
  // What a control plane over a changed table would send.
  await page.route("**/audit/export?*", async (route) => {
    const answer = await route.fetch(), lines = (await answer.text()).split("\n");
    lines[2] = lines[2].replace('"actor":"', '"actor":"un');
    await route.fulfill({ response: answer, body: lines.join("\n") });
  });
  await page.goto(`${origin}/#/audit`);
  await page.getByRole("button", { name: "Verify the chain" }).click();
  await until(async () => /The chain is broken: Entry 3 was changed/.test(await page.locator("main").innerText()), "the verdict");
});

test("an admin raises and resets a budget on its page after a question; errors are shown; a viewer can't", async (t) => {
  const { weir, openai } = await setting(t, { budgets: budget("calls", "{requests: 2}", { window: "month" }) });
  for (let i = 0; i < 2; i++) await openai.chat.completions.create(chat());
  await settled(weir, "calls", 2);
  const { page, origin, seen } = await signedIn(t, weir);
  const body = () => page.locator("main").innerText(), counter = async () => (await weir.api("/budgets")).items[0];
  await page.goto(`${origin}/#/budgets`);
  await page.locator("summary").first().click();
  const form = page.getByRole("form", { name: "Change default/calls" });
  const asked = [];
  let answer = "dismiss";
  page.on("dialog", (d) => { asked.push(d.message()); void d[answer](); });

  await form.getByLabel("Raise by").fill("3");
  await form.getByRole("button", { name: "Raise" }).click();
  await until(() => asked.length === 1, "the question");
  assert.match(asked[0], /default\/calls by 3 calls until/);
  assert.equal((await counter()).limit, 2, "what was not confirmed is not done");
  assert.equal(await form.getByLabel("Raise by").inputValue(), "3");

  answer = "accept";
  await form.getByLabel("Raise by").press("Enter");
  await until(async () => (await counter()).limit === 5, "the increase");
  await until(async () => /2 of 5[\s\S]*Increase\s+\+3/.test(await body()), "the increase on the page");
  await shot(page, "budget-raised");

  await form.getByLabel("Raise by").fill("lots");
  await form.getByRole("button", { name: "Raise" }).click();
  await page.getByRole("alert").waitFor();
  assert.match(await page.getByRole("alert").innerText(), /no amount of what the budget counts[\s\S]*whole number/);
  await form.getByRole("button", { name: "Reset" }).click();
  await until(async () => /0 of 5[\s\S]*Reset\s+2 forgotten/.test(await body()), "the reset on the page");
  assert.equal(await page.getByRole("alert").count(), 0, "the error goes with the next operation");
  assert.equal((await counter()).settled, 0);
  quiet(seen, /400/);

  await page.route("**/api/v1/session", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), role: "viewer" } });
  });
  await page.reload();
  await page.locator("summary").first().click();
  await page.getByRole("table").first().waitFor();
  assert.equal(await page.getByRole("form").count(), 0);
});

test("a budget's page shows what is left over its window, where that leads, and the same as a table; a reset starts it anew", async (t) => {
  const { weir } = await busy(t);
  const { page, seen } = await signedIn(t, weir);
  await page.getByRole("link", { name: "Budgets" }).click();
  const article = page.locator("article.budget", { hasText: "default/daily" });
  await article.locator("summary", { hasText: "slice" }).click();
  const chart = article.getByRole("img", { name: /^Burn-down of default\/daily: \$.* of \$5(\.0+)? left$/ });
  await chart.waitFor();
  const { points, settled: spent, limit } = await weir.api("/budgets/default/daily/burn");
  assert.equal(points.at(-1).settled, spent);
  assert.ok(spent > 0 && limit === 5_000_000_000);
  assert.ok((await chart.locator("path.burn-line").getAttribute("d")).startsWith("M64.0"));
  await article.getByText("As a table").click();
  assert.equal(await article.getByRole("table", { name: "What was left of default/daily" }).getByRole("row").count(), points.length + 1);
  await shot(page, "burn-down");
  await weir.api("/budgets/default/daily/reset", { method: "POST", body: "{}" });
  await until(async () => (await weir.api("/budgets/default/daily/burn")).points.at(-1).settled === 0, "the reset");
  const none = await weir.api("/budgets/default/nothing/burn", { raw: true });
  assert.equal(none.status, 404);
  quiet(seen);
});

test("calls that wait for a person are told on the Budgets page; an admin denies them there, or raises the limit", async (t) => {
  const { weir, openai } = await setting(t, { budgets: budget("team", "{requests: 1}", { window: "day", extra: "  onExhausted: ask\n  maxWait: 60s" }) });
  const call = () => openai.chat.completions.create(chat()).then(() => "ok", (e) => e.status);
  assert.equal(await call(), "ok");
  const { page, seen } = await signedIn(t, weir);
  await page.getByRole("link", { name: "Budgets" }).click();
  const first = call();
  const box = page.getByRole("region", { name: "Calls that wait for a person" });
  await box.getByText("default/team is used up; a call needs 1 and waits").waitFor();
  await shot(page, "asks");
  page.once("dialog", (d) => d.accept());
  await box.getByRole("button", { name: "Deny default/team" }).click();
  assert.equal(await first, 402);
  await box.waitFor({ state: "detached" });
  quiet(seen);
});
