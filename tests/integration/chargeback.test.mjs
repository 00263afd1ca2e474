// Chargeback: whose calls cost how much, by any labels and period, adding up to the provider's own bill.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cli } from "./lib/cli.mjs";
import { agent, budget, chat, clients, setting, spend, until } from "./lib/setup.mjs";

const nano = (s) => BigInt(s.replace(".", ""));
const rows = (csv) => {
  const [names, ...lines] = csv.trim().split("\r\n").map((l) => l.split(","));
  return lines.map((l) => Object.fromEntries(l.map((v, i) => [names[i], v])));
};

test("weir chargeback: groups of any labels and days add up to the bill, as CSV and JSON, corrections included", async (t) => {
  const today = new Date().toISOString().slice(0, 10);
  const other = agent("other", { key: "weir_sk_other" }).replace("team: weir", "team: dam");
  const { mock, weir, openai } = await setting(t, { budgets: budget("money", "{usd: 10}"), more: other, plan: (c, n) => ({ tokens: n * 5 }) });
  const weirCli = cli(weir);
  for (let i = 0; i < 3; i++) await openai.chat.completions.create(chat());
  await clients(weir.url, "weir_sk_other").anthropic.messages.create(chat({ model: "mock-large" }));
  await until(async () => (await spend(weir)).calls === 4, "4 records");
  if (new Date().toISOString().slice(0, 10) !== today) return t.skip("the day ended in the middle of this");
  const teams = await weirCli("chargeback", "--by", "team");
  assert.equal(teams.code, 0, teams.err);
  const list = rows(teams.out);
  assert.deepEqual(list.map((r) => [r.team, r.x_Calls]).sort(), [["dam", "1"], ["weir", "3"]]);
  assert.equal(list.reduce((n, r) => n + nano(r.BilledCost), 0n), mock.bill);
  assert.equal((await weirCli("spend", "correct", "--day", today, "--by", "-0.25", "--reason", "x", "--label", "team=dam,model=mock-large")).code, 0);
  const tomorrow = new Date(Date.parse(today) + 86_400_000).toISOString().slice(0, 10);
  const days = JSON.parse((await weirCli("chargeback", "--by", "team,model,day", "--from", today, "--until", tomorrow, "-o", "json")).out);
  assert.deepEqual(days.map((r) => [r.team, r.model, r.ChargePeriodStart, r.x_CorrectedCost]).sort(),
    [["dam", "mock-large", `${today}T00:00:00Z`, -0.25], ["weir", "mock-small", `${today}T00:00:00Z`, 0]]);
  const quarter = rows((await weirCli("export", "--from", today, "--until", tomorrow)).out.replaceAll(/"[^\r]*"/g, "x"));
  assert.equal(quarter.reduce((n, r) => n + BigInt(Math.round(Number(r.BilledCost) * 1e9)), 0n), mock.bill - 250_000_000n);
  assert.equal((await weirCli("chargeback", "--month", "2001-02")).out.trim().split("\r\n").length, 1);
  for (const [args, code, says] of [
    [["--by", "planet"], 1, /by names something/],
    [["--by", "team,team"], 1, /by names something/],
    [["--month", "soon"], 1, /no month/],
    [["--from", tomorrow, "--until", today], 1, /not in this order/],
    [["-o", "yaml"], 2, /YAML/],
  ]) {
    const r = await weirCli("chargeback", ...args);
    assert.equal(r.code, code, args.join(" ") + r.err);
    assert.match(r.err, says);
  }
});
