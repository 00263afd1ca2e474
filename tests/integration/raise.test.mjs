// Budgets that an operator changes while calls go on: raised for a time, reset, lowered.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Proc, budget, chat, setting, settled, until } from "./lib/setup.mjs";

const outcome = (p) => p.then(() => "ok", (e) => e);

const cli = (weir) => async (...args) => {
  const p = new Proc("weir", ["--state", weir.controlState, "--api", `127.0.0.1:${weir.apiPort}`, ...args], { NO_COLOR: "1" });
  const { code } = await p.exited;
  return { code, out: p.stdout, err: p.stderr };
};

test("B-15: an increase holds at once, is listed with who made it, and ends by itself", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("calls", "{requests: 3}", { window: "month" }) });
  const call = () => outcome(openai.chat.completions.create(chat())), weirCli = cli(weir);
  for (let i = 0; i < 3; i++) assert.equal(await call(), "ok");
  assert.equal((await call()).status, 402);
  const done = await weirCli("budget", "raise", "calls", "--by", "2", "--until", "12h");
  assert.equal(done.code, 0, done.err);
  await until(async () => (await call()) === "ok", "the increase to hold", 5000);
  assert.equal(await call(), "ok");
  const e = await call();
  assert.equal(e.status, 402);
  assert.match(e.message, /limit 5 requests/);
  const shown = await weirCli("budget", "show", "calls");
  assert.match(shown.out, /raise +all +2 /);
  const { items } = await weir.api("/budgets/default/calls/entries");
  assert.deepEqual(items.map((i) => [i.what, i.amount, i.inForce, i.actor]), [["raise", 2, true, "admin"]]);
  assert.equal((await settled(weir, "calls", 5)).counters[0].limit, 5);
  await weir.api("/budgets/default/calls/raise", { method: "POST", body: JSON.stringify({ by: "1", untilMs: Date.now() + 1500 }) });
  await until(async () => (await weir.api("/budgets?budget=default/calls")).items[0].limit === 5, "the second increase to end");
  assert.equal((await call()).status, 402);
  assert.equal(mock.calls.length, 5);
});

test("a dollar budget's increase lets a call pass that is larger than the policy's limit", async (t) => {
  const { weir, openai } = await setting(t, { budgets: budget("money", "{usd: 0.0001}") });
  const call = () => outcome(openai.chat.completions.create(chat({ max_tokens: 1000 })));
  assert.equal((await call()).status, 402);
  assert.equal((await cli(weir)("budget", "raise", "money", "--by", "$50", "--until", "2999-12-01")).code, 0);
  await until(async () => (await call()) === "ok", "the increase to hold", 5000);
});

test("a reset lets calls pass again; wrong increases and names are said", async (t) => {
  const { weir, openai } = await setting(t, { budgets: budget("calls", "{requests: 2}") + budget("other", "{usd: 0}", { extra: "  selector: {agents: [nobody]}" }) });
  const call = () => outcome(openai.chat.completions.create(chat())), weirCli = cli(weir);
  for (let i = 0; i < 2; i++) assert.equal(await call(), "ok");
  assert.equal((await call()).status, 402);
  await settled(weir, "calls", 2);
  assert.equal((await weirCli("budget", "reset", "calls")).code, 0);
  await until(async () => (await call()) === "ok", "the reset to hold", 5000);
  assert.equal(await call(), "ok");
  assert.equal((await call()).status, 402);
  for (const [args, code, says] of [
    [["raise", "calls", "--by", "1"], 2, /needs an end/],
    [["raise", "calls", "--until", "1h"], 2, /--by is missing/],
    [["raise", "calls", "--by", "1.5", "--until", "1h"], 1, /no amount/],
    [["raise", "calls", "--by", "1", "--until", "2001-01-01"], 1, /can't be/],
    [["raise", "nothing", "--by", "1", "--until", "1h"], 4, /budget/i],
    [["raise", "other", "--by", "1", "--until", "1h"], 1, /limit 0 blocks/],
    [["reset", "nothing"], 4, /budget/i],
    [["show", "nothing"], 4, /budget/i],
  ]) {
    const r = await weirCli("budget", ...args);
    assert.equal(r.code, code, args.join(" ") + r.err);
    assert.match(r.err, says);
  }
});

test("B-15: a limit that is lowered under way takes back what proxies hold and don't use", async (t) => {
  const { mock, weir, policy, openai } = await setting(t, { budgets: budget("calls", "{requests: 1000}"), proxies: 2 });
  for (let i = 0; i < 10; i++) assert.equal(await outcome(openai.chat.completions.create(chat())), "ok");
  weir.writePolicy(policy.replace("{requests: 1000}", "{requests: 12}"));
  await until(async () => {
    const [b] = (await weir.api("/budgets?budget=default/calls")).items;
    return b.limit === 12 && b.remaining >= 0 && b.committed <= 12;
  }, "the slices to come back");
  const results = [];
  for (let i = 0; i < 6; i++) results.push(await outcome(openai.chat.completions.create(chat())));
  assert.equal(results.filter((r) => r === "ok").length, 2);
  assert.equal(mock.calls.length, 12);
  await settled(weir, "calls", 12);
});
