// The windows of budgets: rolling ones, and counters for what a caller names (session, run, user).
import assert from "node:assert/strict";
import { test } from "node:test";
import { budget, chat, setting, settled, until } from "./lib/setup.mjs";

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
