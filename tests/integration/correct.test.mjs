// Corrections of what was spent: entries of their own, in spend, in exports and in a budget's counter.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cli } from "./lib/cli.mjs";
import { budget, chat, setting, settled, spend, until } from "./lib/setup.mjs";

const day = () => new Date().toISOString().slice(0, 10);
const outcome = (p) => p.then(() => "ok", (e) => e);

test("weir spend correct: the calls stay, spend and the export change, the entry says why and who", async (t) => {
  const today = day();
  const { mock, weir, openai } = await setting(t, { budgets: budget("money", "{usd: 10}") });
  const weirCli = cli(weir);
  await openai.chat.completions.create(chat());
  await until(async () => (await spend(weir)).calls === 1, "the record");
  if (day() !== today) return t.skip("the day ended in the middle of this");
  const done = await weirCli("spend", "correct", "--day", today, "--by", "-0.5", "--reason", "credit note 17", "--label", "provider=oa,model=mock-small,agent=tester");
  assert.equal(done.code, 0, done.err);
  assert.equal((await weirCli("spend", "correct", "--day", "2001-02-03", "--by", "$2", "--reason", "long ago")).code, 0);
  const total = await spend(weir);
  assert.equal(BigInt(total.costNano), mock.bill - 500_000_000n);
  assert.equal(total.correctedNano, -500_000_000);
  assert.equal(total.calls, 1);
  const { groups } = await weir.api(`/spend?by=provider,model&from=${today}&until=${new Date(Date.parse(today) + 86_400_000).toISOString().slice(0, 10)}`);
  assert.deepEqual(groups.map((g) => [g.key, g.calls, BigInt(g.costNano)]), [[["oa", "mock-small"], 1, mock.bill - 500_000_000n]]);
  const old = await weirCli("spend", "--by", "model", "--from", "2001-02-03", "--until", "2001-02-04", "-o", "json");
  assert.equal(JSON.parse(old.out).total.costNano, 2_000_000_000);
  const [row] = JSON.parse((await weirCli("export", "-o", "json")).out).filter((r) => r.ChargeClass === "Correction");
  assert.deepEqual([row.BilledCost, row.ChargeDescription, row.ProviderName, row.ResourceId], [-0.5, "credit note 17", "oa", "tester"]);
  const list = await weirCli("spend", "corrections");
  assert.match(list.out, /2001-02-03 +\$2\.00 +- +long ago +admin/);
  const { items } = await weir.api("/audit?limit=100");
  assert.equal(items.filter((e) => e.action === "spend.correct" && e.outcome === "done").length, 2);
  const again = () => weir.api("/spend/corrections", { method: "POST", raw: true, body: JSON.stringify({ by: "1", day: today, reason: "x", ref: "once" }) });
  assert.equal((await again()).status, 201);
  assert.equal((await again()).status, 409);
  for (const [args, code, says] of [
    [["--day", today, "--by", "1"], 2, /--reason/],
    [["--day", "yesterday", "--by", "1", "--reason", "x"], 1, /by must be US dollars, day a day/],
    [["--day", today, "--by", "a lot", "--reason", "x"], 1, /by must be US dollars/],
    [["--day", today, "--by", "0", "--reason", "x"], 1, /not valid/],
    [["--day", today, "--by", "1", "--reason", "x", "--label", "planet=mars"], 1, /labels has one/],
    [["--day", today, "--by", "1", "--reason", "x", "--label", "team"], 2, /no value for "team"/],
  ]) {
    const r = await weirCli("spend", "correct", ...args);
    assert.equal(r.code, code, r.err);
    assert.match(r.err, says);
  }
  assert.equal((await weirCli("spend", "--from", "2026-13-01")).code, 1);
});

test("weir budget correct: the counter changes at once, the entry is listed, calls meet the new amount", async (t) => {
  const { weir, openai } = await setting(t, { budgets: budget("calls", "{requests: 5}", { window: "month" }) });
  const weirCli = cli(weir), call = () => outcome(openai.chat.completions.create(chat()));
  assert.equal((await weirCli("budget", "correct", "calls", "--by", "1", "--reason", "x")).code, 1, "no window yet");
  for (let i = 0; i < 2; i++) assert.equal(await call(), "ok");
  await settled(weir, "calls", 2);
  assert.equal((await weirCli("budget", "correct", "calls", "--by", "3", "--reason", "calls of another gateway")).code, 0);
  await settled(weir, "calls", 5);
  await until(async () => (await call()).status === 402, "the correction to hold");
  assert.equal((await weirCli("budget", "correct", "calls", "--by", "-3", "--reason", "they were not ours")).code, 0);
  await until(async () => (await call()) === "ok", "the second correction to hold");
  const shown = await weirCli("budget", "show", "calls");
  assert.match(shown.out, /correct +all +-3 +- +admin +they were not ours/);
  const tooMuch = await weirCli("budget", "correct", "calls", "--by", "-50", "--reason", "x");
  assert.equal(tooMuch.code, 1);
  assert.match(tooMuch.err, /can't be taken back/);
});
