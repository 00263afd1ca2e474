// Answers that are read on after their client has gone (Route spec.drain). Without it: S-01, S-02 in streams.test.mjs and sdk.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { budget, chat, records, setting, settled, until } from "./lib/setup.mjs";

const metric = (text, name) => Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1]);
const gate = () => { let open; const until = new Promise((r) => (open = r)); return { open, until }; };

// Reads the first piece of a stream and leaves.
async function leave(create) {
  const stream = await create();
  for await (const _ of stream) break;
}

for (const [dialect, create] of [
  ["Chat Completions", (s) => s.openai.chat.completions.create(chat({ stream: true }))],
  ["Messages", (s) => s.anthropic.messages.create(chat({ stream: true }))],
])
  test(`S-01, S-03: ${dialect}: a stream whose client leaves is read to its end, and billed by the provider's own figures`, async (t) => {
    const middle = gate();
    const s = await setting(t, { budgets: budget("money", "{usd: 1}"), routeExtra: "  drain: {}", plan: () => ({ tokens: 50, holdAfter: [3, middle.until] }) });
    await leave(() => create(s));
    await until(async () => metric(await s.weir.metrics(), "weir_drains_total") === 1, "the drain to begin");
    middle.open();
    const [r] = await records(s.weir, 1);
    assert.deepEqual([r.outcome, r.usage.outputTokens, r.usage.estimated ?? false], ["aborted", 50, false]);
    assert.equal(s.mock.calls[0].aborted, false);
    await settled(s.weir, "money", s.mock.bill);
  });

test("S-01, S-03: a whole answer whose client leaves before it comes is waited for", async (t) => {
  const begin = gate();
  const s = await setting(t, { budgets: budget("money", "{usd: 1}"), routeExtra: "  drain: {}", plan: () => ({ hold: begin.until }) });
  const gone = new AbortController();
  const call = s.openai.chat.completions.create(chat(), { signal: gone.signal }).catch(() => {});
  await until(() => s.mock.calls.length === 1 && s.mock.calls[0].body, "the provider to have the call");
  gone.abort();
  await call;
  await until(async () => metric(await s.weir.metrics(), "weir_drains_total") === 1, "the drain to begin");
  begin.open();
  const [r] = await records(s.weir, 1);
  assert.deepEqual([r.outcome, r.usage.outputTokens], ["aborted", 10]);
  await settled(s.weir, "money", s.mock.bill);
});

for (const [bound, extra] of [["its time", "{maxTime: 200ms}"], ["its bytes", "{maxBytes: 2000}"]])
  test(`S-03: a drain that reaches ${bound} ends, closes the provider's connection and is settled, never zero`, async (t) => {
    const middle = gate();
    t.after(middle.open);
    const s = await setting(t, { budgets: budget("money", "{usd: 1}"), routeExtra: `  drain: ${extra}`,
      plan: () => ({ tokens: 400, ...(bound === "its time" ? { holdAfter: [3, middle.until] } : { chunkDelayMs: 1 }) }) });
    await leave(() => s.openai.chat.completions.create(chat({ stream: true, max_tokens: 1000 })));
    const [r] = await records(s.weir, 1);
    assert.equal(r.outcome, "aborted");
    assert.ok(BigInt(r.costNano) > 0n);
    await settled(s.weir, "money", r.costNano);
    await until(() => s.mock.calls[0].aborted, "the provider's connection to be closed");
    assert.equal(metric(await s.weir.metrics(), "weir_drains_cut_total"), 1);
  });

test("S-03: a budget that ends while an answer is drained cuts it", async (t) => {
  const middle = gate();
  const s = await setting(t, { budgets: budget("money", "{usd: 0.002}"), routeExtra: "  drain: {}", plan: () => ({ tokens: 20_000, holdAfter: [3, middle.until] }) });
  await leave(() => s.openai.chat.completions.create(chat({ stream: true, max_tokens: 900_000, reasoning_effort: "none" })));
  await until(async () => metric(await s.weir.metrics(), "weir_drains_total") === 1, "the drain to begin");
  middle.open();
  await records(s.weir, 1);
  assert.ok((await settled(s.weir, "money")).value <= 2_000_000n);
  await until(() => s.mock.calls[0].aborted, "the provider's connection to be closed");
});

test("a proxy that is stopped while it drains ends the drain, gives its money back and leaves nothing behind", async (t) => {
  const middle = gate();
  t.after(middle.open);
  const s = await setting(t, { budgets: budget("money", "{usd: 1}"), routeExtra: "  drain: {}", plan: () => ({ tokens: 50, holdAfter: [3, middle.until] }), proxyArgs: ["--drain-ms", "500"] });
  await leave(() => s.openai.chat.completions.create(chat({ stream: true })));
  await until(async () => metric(await s.weir.metrics(), "weir_drains_total") === 1, "the drain to begin");
  await s.weir.proxies[0].proc.stop();
  assert.equal(s.weir.proxies[0].proc.code ?? 0, 0);
  await s.weir.startProxy(0); // what its journal knew is told to the ledger
  await until(async () => (await settled(s.weir, "money")).value > 0n, "what was used to be settled");
});
