// The windows of budgets: rolling ones, and counters for what a caller names (session, run, user).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Proc, budget, chat, setting, settled, until } from "./lib/setup.mjs";

const outcome = (p) => p.then(() => "ok", (e) => e);

test("B-12: what has left a rolling window can be spent again, and not before", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("recent", "{requests: 3}", { window: "rolling", extra: "  length: 3s" }) });
  const call = () => outcome(openai.chat.completions.create(chat()));
  const started = performance.now();
  for (let i = 0; i < 3; i++) assert.equal(await call(), "ok");
  const e = await call();
  if (performance.now() - started < 3000) { // else the first has left already
    assert.equal(e.status, 429);
    assert.match(e.message, /default\/recent.*resets in \d+ s/);
    assert.ok(Number(e.headers.get("retry-after")) > 0);
  }
  await until(async () => (await call()) === "ok", "a call to leave the window", 20_000);
  assert.ok(performance.now() - started >= 3000);
  assert.ok(mock.calls.length >= 4);
  const { items } = await weir.api("/budgets?budget=default/recent");
  assert.equal(items[0].window, "rolling");
  assert.equal(items[0].lengthMs, 3000);
  assert.equal(items[0].limit, 3);
});

test("B-01: a rolling window of a day admits as many of 40 parallel calls as its limit says", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("day", "{requests: 12}", { window: "rolling", extra: "  length: 24h" }) });
  const results = await Promise.all(Array.from({ length: 40 }, () => outcome(openai.chat.completions.create(chat()))));
  assert.equal(results.filter((r) => r === "ok").length, 12);
  for (const e of results.filter((r) => r !== "ok")) assert.equal(e.status, 402);
  assert.equal(mock.calls.length, 12);
  await settled(weir, "day", 12);
});

const sessionOf = (id) => ({ headers: { "x-weir-session": id } });

test("B-01: parallel calls of one session pass as often as its own budget says, and other sessions have theirs", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("session", "{requests: 4}", { extra: "  per: [session]" }) });
  const many = (id) => Promise.all(Array.from({ length: 16 }, () => outcome(openai.chat.completions.create(chat(), sessionOf(id)))));
  const [a, b] = await Promise.all([many("alpha"), many("beta")]);
  for (const results of [a, b]) {
    assert.equal(results.filter((r) => r === "ok").length, 4);
    for (const e of results.filter((r) => r !== "ok")) assert.equal(e.status, 402);
  }
  assert.equal(mock.calls.length, 8);
  const { counters } = await settled(weir, "session", 8);
  assert.deepEqual(counters.map((c) => c.scope).sort(), ["alpha", "beta"]);
});

test("sessions are known by what the harnesses send", async (t) => {
  const { weir, openai, anthropic } = await setting(t, { budgets: budget("session", "{requests: 100}", { extra: "  per: [session]" }) });
  await openai.chat.completions.create(chat(), { headers: { "session-id": "codex-1" } });
  await openai.chat.completions.create(chat(), { headers: { "x-session-id": "opencode-1" } });
  await anthropic.messages.create(chat(), { headers: { "x-claude-code-session-id": "claude-1" } });
  await anthropic.messages.create(chat({ metadata: { user_id: JSON.stringify({ device_id: "d", account_uuid: "a", session_id: "claude-2" }) } }));
  await openai.chat.completions.create(chat({ prompt_cache_key: "cache-1" }));
  await openai.chat.completions.create(chat(), { headers: { "session-id": "codex-1", "x-weir-session": "own-1" } });
  await openai.chat.completions.create(chat());
  const { counters } = await settled(weir, "session", 7);
  assert.deepEqual(counters.map((c) => c.scope).sort(), ["", "cache-1", "claude-1", "claude-2", "codex-1", "opencode-1", "own-1"]);
});

test("B-07: a user's first calls don't skip its budget; a harness's session is no part of who the user is", async (t) => {
  const { mock, weir, openai, anthropic } = await setting(t, { budgets: budget("user", "{requests: 3}", { extra: "  per: [user]" }) });
  const ann = await Promise.all(Array.from({ length: 10 }, () => outcome(openai.chat.completions.create(chat({ user: "ann" })))));
  assert.equal(ann.filter((r) => r === "ok").length, 3);
  const device = (session) => JSON.stringify({ device_id: "d1", account_uuid: "a1", session_id: session });
  const harness = [];
  for (const s of ["s1", "s2", "s3", "s4"]) harness.push(await outcome(anthropic.messages.create(chat({ metadata: { user_id: device(s) } }))));
  assert.deepEqual(harness.map((r) => r.status ?? r), ["ok", "ok", "ok", 402]);
  assert.equal(mock.calls.length, 6);
  const { counters } = await settled(weir, "user", 6);
  assert.deepEqual(counters.map((c) => c.scope.replace(/^sha256:[0-9a-f]{32}$/, "told")).sort(), ["ann", "told"]);
});

test("a caller that names ever new sessions is stopped at maxCounters, and its live ones go on", async (t) => {
  const { mock, openai, weir } = await setting(t, { budgets: budget("session", "{requests: 100}", { extra: "  per: [session]\n  maxCounters: 3" }) });
  const call = (id) => outcome(openai.chat.completions.create(chat(), sessionOf(id)));
  for (const id of ["s1", "s2", "s3"]) assert.equal(await call(id), "ok");
  for (const id of ["s4", "a name, with | and spaces and more"]) {
    const e = await call(id);
    assert.equal(e.status, 402);
    assert.equal(e.code, "too_many_counters");
    assert.match(e.message, /default\/session.*maxCounters/);
  }
  assert.equal(await call("s2"), "ok");
  assert.equal(mock.calls.length, 4);
  await settled(weir, "session", 4);
});

test("a run is the header's, else the session", async (t) => {
  const { weir, openai } = await setting(t, { budgets: budget("run", "{requests: 1}", { extra: "  per: [run]" }) });
  const call = (headers) => outcome(openai.chat.completions.create(chat(), { headers }));
  assert.equal(await call({ "x-weir-run": "r1", "x-weir-session": "s1" }), "ok");
  assert.equal(await call({ "x-weir-session": "s1" }), "ok");
  assert.equal((await call({ "x-weir-run": "r1", "x-weir-session": "s2" })).status, 402);
  await settled(weir, "run", 2);
});

test("where a budget's spending leads is told by the API and by weir budget show", async (t) => {
  const { weir, openai } = await setting(t, { budgets: budget("minute", "{requests: 1000}", { window: "minute" }) + budget("ever", "{requests: 1000}") });
  const b = await until(async () => { // the first 1.2 s of a minute have no forecast
    await openai.chat.completions.create(chat());
    const [counter] = (await weir.api("/budgets?budget=default/minute")).items;
    if (!counter?.forecast || counter.settled + counter.held === 0) throw new Error("too early");
    return { ...counter, nowMs: Date.now() };
  }, "a forecast", 20_000);
  assert.equal(b.forecast.method, "linear");
  const share = (b.nowMs - b.startedMs) / (b.resetsMs - b.startedMs), used = b.settled + b.held;
  assert.ok(b.forecast.atEnd >= used && b.forecast.atEnd >= Math.floor(used / share), `${JSON.stringify(b)}`);
  assert.equal((await weir.api("/budgets?budget=default/ever")).items[0].forecast, null);
  const p = new Proc("weir", ["--state", weir.controlState, "--api", `127.0.0.1:${weir.apiPort}`, "budget", "show", "minute"], { NO_COLOR: "1" });
  assert.equal((await p.exited).code, 0);
  assert.match(p.stdout, /BY END/);
});
