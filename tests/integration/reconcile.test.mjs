// What a vendor bills against what was spent here: differences by day and model, why, and corrections of them.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { cli } from "./lib/cli.mjs";
import { budget, chat, setting, spend, until } from "./lib/setup.mjs";

const DAY = 86_400_000;
const usd = (nano) => `${nano / 1_000_000_000n}.${String(nano % 1_000_000_000n).padStart(9, "0")}`;

// OpenAI's GET /organization/costs, grouped by line item, as its documentation shows it.
const openaiCosts = (days) => JSON.stringify({
  object: "page", has_more: false, next_page: null,
  data: days.map(([start, results]) => ({
    object: "bucket", start_time: start / 1000, end_time: start / 1000 + 86400,
    results: results.map(([item, value]) => ({ object: "organization.costs.result", amount: { value, currency: "usd" }, line_item: item, project_id: null })),
  })),
});

async function billed(t, calls) {
  const today = Math.floor(Date.now() / DAY) * DAY;
  const s = await setting(t, { budgets: budget("money", "{usd: 1000}") });
  for (let i = 0; i < calls; i++) await s.openai.chat.completions.create(chat());
  await until(async () => (await spend(s.weir)).calls === calls, "the records");
  const file = path.join(s.weir.dir, "export");
  const reconcile = (text, ...args) => {
    fs.writeFileSync(file, text);
    return cli(s.weir)("reconcile", file, ...args);
  };
  return { ...s, today, file, reconcile };
}

test("weir reconcile: an export that agrees ends with 0, one that doesn't with 1 and a likely reason, by day and model", async (t) => {
  const { mock, weir, today, reconcile } = await billed(t, 3);
  const bill = Number(mock.bill) / 1e9, yesterday = today - DAY;
  const flags = ["--vendor", "openai", "--provider", "oa"];
  const same = await reconcile(openaiCosts([[today, [["mock-small-2026-01-02, input", bill / 2], ["mock-small-2026-01-02, output", bill / 2]]]]), ...flags);
  assert.equal(same.code, 0, same.out + same.err);
  assert.match(same.out, /mock-small .*\n0 differences/);
  const other = await reconcile(openaiCosts([[yesterday, [["gpt-9, input", 3.5]]], [today, [["mock-small, output", bill]]]]), ...flags, "-o", "json");
  assert.equal(other.code, 1);
  const { items, differences } = JSON.parse(other.out);
  assert.equal(differences, 1);
  assert.deepEqual(items.map((i) => [i.day, i.model, i.ledgerNano, i.vendorNano, i.differs]), [
    [new Date(yesterday).toISOString().slice(0, 10), "gpt-9", 0, 3_500_000_000, true], [new Date(today).toISOString().slice(0, 10), "mock-small", Number(mock.bill), Number(mock.bill), false]]);
  assert.match(items[0].likely, /did not go through Weir/);
  const whole = await reconcile(openaiCosts([[today, [[null, bill + 2]]]]), ...flags);
  assert.match(whole.out, /\(all\) .*the day is not over/);
  assert.equal((await reconcile(openaiCosts([[yesterday, [["gpt-9", 3.5]]]]), ...flags, "--from", new Date(today).toISOString().slice(0, 10))).code, 1, "no costs in the period");
  assert.equal((await spend(weir)).correctedNano, 0, "nothing is booked unasked");
});

test("weir reconcile --correct books past days' differences once, with labels; then the sides agree", async (t) => {
  const { weir, today, reconcile } = await billed(t, 1);
  const text = openaiCosts([[today - 2 * DAY, [["gpt-9, input", 3.5], ["gpt-9, output", 1.25]]], [today - DAY, [[null, 7]]]]);
  const flags = ["--vendor", "openai", "--provider", "oa", "--correct"];
  const first = await reconcile(text, ...flags);
  assert.equal(first.code, 0, first.out + first.err);
  assert.match(first.out, /booked 2 corrections/);
  const again = await reconcile(text, ...flags);
  assert.equal(again.code, 0, again.out + again.err);
  assert.match(again.out, /0 differences\nbooked 0 corrections/);
  const { items } = await weir.api("/spend/corrections");
  assert.deepEqual(items.map((i) => [i.costNano, i.labels, i.reason]), [[7_000_000_000, { provider: "oa" }, "as openai billed it"], [4_750_000_000, { model: "gpt-9", provider: "oa" }, "as openai billed it"]]);
  assert.equal((await weir.api("/audit?limit=100")).items.filter((e) => e.action === "spend.correct" && e.outcome === "done").length, 2);
});

test("weir reconcile: Anthropic's cents and AWS' CSV are read; a large file in bounded memory; nonsense is refused with its line", async (t) => {
  const { mock, weir, today, file, reconcile } = await billed(t, 2);
  const day = new Date(today).toISOString().slice(0, 10), cents = usd(mock.bill * 100n);
  const anthropic = JSON.stringify({ data: [{ starting_at: `${day}T00:00:00Z`, ending_at: `${day}T23:59:59Z`, results: [{ currency: "USD", amount: cents, model: "mock-small", token_type: "output_tokens" }] }], has_more: false });
  assert.equal((await reconcile(anthropic, "--vendor", "anthropic", "--provider", "o*")).code, 0);
  const cur = "identity_line_item_id,line_item_usage_start_date,line_item_product_code,line_item_usage_type,line_item_unblended_cost,line_item_currency_code\r\n";
  const line = (product, cost) => `"id, with ""quotes""",${day} 07:00:00,${product},USE1-tokens,${cost},USD\r\n`;
  assert.equal((await reconcile(cur + line("AmazonEC2", 12) + line("AmazonBedrock", usd(mock.bill)), "--vendor", "aws", "--provider", "oa")).code, 0);
  const out = fs.createWriteStream(file);
  out.write(cur);
  for (let i = 0; i < 300; i++) out.write(line("AmazonEC2", "0.01").repeat(2000));
  out.end(line("AmazonBedrock", usd(mock.bill)));
  await new Promise((r) => out.on("finish", r));
  assert.ok(fs.statSync(file).size > 40_000_000);
  assert.equal((await cli(weir)("reconcile", file, "--vendor", "aws", "--provider", "oa")).code, 0);
  for (const [text, vendor, code, says] of [
    ["hello\nworld\n", "openai", 1, /export:1: there is no column start_time/],
    [cur + line("AmazonBedrock", "many"), "aws", 1, /export:2: "many" is no amount/],
    ['{"data": [\n\n{"start_time": 5, "results": [{"input_tokens": 5}]}]}', "openai", 1, /export:3: .*is it usage/],
    ["", "openai", 1, /export:1: the file is empty/],
    [cur + line("AmazonEC2", 1), "aws", 1, /none of the export's rows/],
    [anthropic, "nobody", 2, /no vendor "nobody"/],
  ]) {
    const r = await reconcile(text, "--vendor", vendor);
    assert.equal(r.code, code, r.err);
    assert.match(r.err, says);
  }
  assert.equal((await cli(weir)("reconcile", `${file}.not`, "--vendor", "aws")).code, 4);
  assert.equal((await reconcile(anthropic, "--vendor", "anthropic", "--tolerance", "lots")).code, 2);
});

test("weir reconcile --usage: the tokens of OpenAI's and Anthropic's usage exports, by kind, day and model", async (t) => {
  const { weir, today, reconcile } = await billed(t, 3);
  const day = new Date(today).toISOString().slice(0, 10), flags = ["--provider", "oa", "--usage"];
  const { total } = await weir.api("/spend?since=24h");
  const bucket = (r) => JSON.stringify({ object: "page", data: [{ object: "bucket", start_time: today / 1000, end_time: today / 1000 + 86400,
    results: [{ object: "organization.usage.completions.result", project_id: null, model: "mock-small-2026-01-02", batch: null, ...r }] }], has_more: false });
  const openai = { input_tokens: total.inputTokens, output_tokens: total.outputTokens, input_cached_tokens: 0, num_model_requests: 3 };
  const same = await reconcile(bucket(openai), "--vendor", "openai", ...flags);
  assert.equal(same.code, 0, same.out + same.err);
  assert.match(same.out, /mock-small +input .*\n.*mock-small +output .*\n0 differences/);
  const more = await reconcile(bucket({ ...openai, output_tokens: total.outputTokens + 5000 }), "--vendor", "openai", ...flags, "-o", "json");
  assert.equal(more.code, 1);
  const { items } = JSON.parse(more.out);
  assert.deepEqual([items[0].model, items[0].tokens.output.vendor - items[0].tokens.output.ledger, items[0].tokens.input.differs], ["mock-small", 5000, false]);
  assert.match(items[0].tokens.output.likely, /day is not over/);
  const anthropic = (r) => JSON.stringify({ data: [{ starting_at: `${day}T00:00:00Z`, ending_at: `${day}T23:59:59Z`, results: [{ model: "mock-small", service_tier: "standard", ...r }] }], has_more: false });
  const split = { uncached_input_tokens: total.inputTokens - 12, cache_read_input_tokens: 5, cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 3 }, output_tokens: total.outputTokens };
  assert.equal((await reconcile(anthropic(split), "--vendor", "anthropic", ...flags)).code, 0, "a few tokens are no difference");
  for (const [text, args, why] of [
    [bucket({ amount: { value: 1 } }), ["--vendor", "openai", ...flags], /are they costs\? Then leave out --usage/],
    [bucket({ ...openai, input_tokens: -1 }), ["--vendor", "openai", ...flags], /no count/],
    [bucket(openai), ["--vendor", "openai", "--provider", "oa"], /is it usage\? Then add --usage/],
    [bucket(openai), ["--vendor", "aws", ...flags], /of AWS only costs/],
    [bucket(openai), ["--vendor", "openai", ...flags, "--correct"], /needs costs/],
    ["a,b\n", ["--vendor", "openai", ...flags], /JSON of the vendor's API/],
  ]) {
    const r = await reconcile(text, ...args);
    assert.notEqual(r.code, 0);
    assert.match(r.err, why);
  }
});
