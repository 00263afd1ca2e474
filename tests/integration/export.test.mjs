// Cost and usage for finance: `weir export` writes FOCUS rows that add up to the provider's own bill.
import assert from "node:assert/strict";
import path from "node:path";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { bin, budget, chat, setting, settled, spend, until } from "./lib/setup.mjs";

const run = (weir, ...args) => new Promise((r) => execFile(path.join(bin, "weir"), ["--state", weir.controlState, "--api", `127.0.0.1:${weir.apiPort}`, "export", ...args], (e, out, err) => r({ code: e?.code ?? 0, out, err })));

// RFC 4180, read by the letter.
function csv(text) {
  assert.ok(text.endsWith("\r\n"));
  const rows = [[]];
  let at = 0;
  while (at < text.length) {
    let cell = "";
    if (text[at] === '"') {
      for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) {
        cell += text[at];
        if (text[at] === '"') at++;
      }
      at++;
    } else while (text[at] !== "," && text[at] !== "\r") cell += text[at++];
    rows.at(-1).push(cell);
    if (text[at] === ",") at++;
    else if (text.slice(at, at + 2) === "\r\n") { at += 2; if (at < text.length) rows.push([]); } else assert.fail(`at ${at}: ${text.slice(at, at + 9)}`);
  }
  const [names, ...rest] = rows;
  return rest.map((r) => { assert.equal(r.length, names.length); return Object.fromEntries(r.map((v, i) => [names[i], v])); });
}
const nano = (s) => BigInt(s.replace(".", ""));
const month = () => new Date().toISOString().slice(0, 7);

test("weir export: FOCUS rows of the month add up to the provider's bill, as CSV and as JSON", async (t) => {
  const before = month();
  const { mock, weir, openai, anthropic } = await setting(t, { budgets: budget("money", "{usd: 10}"), plan: (c, n) => ({ tokens: n * 7 }) });
  for (let i = 0; i < 4; i++) await openai.chat.completions.create(chat());
  await anthropic.messages.create(chat({ model: "mock-large" }));
  await settled(weir, "money", mock.bill);
  await until(async () => (await spend(weir)).calls === 5, "5 records");
  if (month() !== before) return t.skip("the month ended in the middle of this");
  const { code, out, err } = await run(weir);
  assert.equal(code, 0, err);
  const rows = csv(out);
  assert.deepEqual(rows.map((r) => r.ServiceName).sort(), ["mock-large", "mock-small"]);
  assert.equal(rows.reduce((n, r) => n + nano(r.BilledCost), 0n), mock.bill);
  const [large] = rows.filter((r) => r.ServiceName === "mock-large");
  assert.equal(large.ProviderName, "an");
  assert.equal(large.ResourceName, "tester");
  assert.equal(large.SubAccountName, "proving");
  assert.equal(large.BillingCurrency, "USD");
  assert.equal(large.ServiceCategory, "AI and Machine Learning");
  assert.equal(large.BillingPeriodStart, `${before}-01T00:00:00Z`);
  assert.ok(large.ChargePeriodStart >= large.BillingPeriodStart && large.ChargePeriodEnd <= large.BillingPeriodEnd);
  assert.deepEqual(JSON.parse(large.Tags).team, "weir");
  assert.equal(Number(large.ConsumedQuantity), mock.calls[4].usage.input + mock.calls[4].usage.output);
  const json = JSON.parse((await run(weir, "-o", "json")).out);
  assert.deepEqual(json.map((r) => [r.ServiceName, r.BilledCost.toFixed(9), r.Tags.agent]), rows.map((r) => [r.ServiceName, r.BilledCost, "tester"]));
});

test("weir export: a model's name that a spreadsheet would run is only a text; an empty month has no rows; nonsense is refused", async (t) => {
  const { weir, openai } = await setting(t);
  const name = '=HYPERLINK("http://x","y"),1';
  await openai.chat.completions.create(chat({ model: name }));
  await until(async () => (await spend(weir)).calls === 1, "the record");
  assert.equal(csv((await run(weir)).out)[0].ServiceName, `'${name}`);
  assert.deepEqual(csv((await run(weir, "--month", "2001-02")).out), []);
  assert.deepEqual(JSON.parse((await run(weir, "--month", "2001-02", "-o", "json")).out), []);
  for (const bad of ["2026", "2026-13", "26-01", "2026-1", "x"]) {
    const { code, err } = await run(weir, "--month", bad);
    assert.equal(code, 1);
    assert.match(err, /month/);
  }
});
