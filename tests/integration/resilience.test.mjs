// The control plane or a proxy dies under load: no failed call, no lost or doubled record, a right ledger. Cases O-02, O-03.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { budget, chat, records, setting, settled, spend, until } from "./lib/setup.mjs";

const outcome = (p) => p.then(() => "ok", (e) => e);

function load(openai, width) {
  const state = { running: true, ok: 0, bad: [], left: Infinity };
  const pause = () => new Promise((r) => setImmediate(r));
  state.done = Promise.all(Array.from({ length: width }, async (_, i) => {
    for (let n = 0; state.running; n++) {
      while (state.left <= 0 && state.running) await pause();
      state.left--;
      const stream = (i + n) % 2 === 0;
      const r = await outcome(openai.chat.completions.create(chat({ stream })).then(async (s) => { if (stream) for await (const _e of s); }));
      if (r === "ok") state.ok++;
      else state.bad.push(String(r));
    }
  }));
  state.stop = async () => { state.running = false; await state.done; };
  return state;
}

test("O-02: control plane killed and restarted under load: no failed call, no lost or doubled record, ledger exact", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("money", "{usd: 100}") });
  const l = load(openai, 8);
  t.after(l.stop);
  // A lease is as large as recent spending asks for: kill once the proxy has one for the calls that follow and for those
  // since its last report (8 at a time hold $0.00007 each, 80 settle at $0.000007 each).
  await until(async () => (await weir.api("/budgets?budget=default/money")).items.some((c) => c.lent > 2_000_000), "a lease for the time without a ledger");
  l.left = 80;
  weir.control.child.kill("SIGKILL");
  await weir.control.exited;
  const at = l.ok;
  await until(() => l.ok > at + 40, "calls without a control plane");
  await weir.startControl();
  const back = l.ok;
  l.left = Infinity;
  await until(() => l.ok > back + 50, "calls after");
  await l.stop();
  assert.deepEqual(l.bad, []);
  await settled(weir, "money", mock.bill);
  const total = await until(async () => {
    const s = await spend(weir);
    if (s.calls !== l.ok) throw new Error(`${s.calls} so far`);
    return s;
  }, `${l.ok} records, each once`);
  assert.equal(BigInt(total.costNano), mock.bill);
});

test("a proxy starts with the last good policy while the control plane is away, and is ready", async (t) => {
  const { weir, openai } = await setting(t);
  await openai.chat.completions.create(chat());
  await weir.control.stop("SIGKILL");
  await weir.proxies[0].proc.stop();
  await weir.startProxy(0);
  assert.equal(await outcome(openai.chat.completions.create(chat())), "ok");
});

test("a damaged last good policy is ignored with a log line, not used", async (t) => {
  const { weir } = await setting(t);
  await weir.control.stop("SIGKILL");
  await weir.proxies[0].proc.stop();
  const state = weir.proxies[0].state;
  const file = fs.readdirSync(state).map((f) => path.join(state, f)).find((f) => /policy|good/.test(f) && fs.statSync(f).isFile());
  const bytes = fs.readFileSync(file);
  bytes[bytes.length >> 1] ^= 1;
  fs.writeFileSync(file, bytes);
  const p = await weir.startProxy(0, { wait: false });
  await until(async () => (await fetch(`${p.admin}/healthz`)).ok, "the proxy to live");
  assert.equal((await fetch(`${p.admin}/readyz`)).status, 503);
  await until(() => /damaged|checksum|corrupt/i.test(p.proc.output), "the log line");
});

test("a proxy killed under load: the ledger is right after recovery, every answered call is recorded once", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("calls", "{requests: 1000000}") });
  const l = load(openai, 8);
  t.after(l.stop);
  await until(() => l.ok > 100, "calls");
  weir.proxies[0].proc.child.kill("SIGKILL");
  await l.stop();
  await weir.startProxy(0);
  // A call whose end the proxy did not see is charged as held: one, like any call.
  await until(async () => {
    const { value } = await settled(weir, "calls");
    return value >= BigInt(l.ok) && value <= BigInt(mock.calls.length);
  }, "the ledger to cover all answered calls and none that never left");
  assert.equal(await outcome(openai.chat.completions.create(chat())), "ok");
  assert.ok((await records(weir, 1)).length > 0);
});

test("SIGTERM drains: an open stream ends whole, new connections are refused, the process ends with 0", async (t) => {
  let release;
  const { weir, openai } = await setting(t, { plan: () => ({ tokens: 12, holdAfter: [6, new Promise((r) => (release = r))] }) });
  const stream = await openai.chat.completions.create(chat({ stream: true }));
  let text = "";
  const it = stream[Symbol.asyncIterator]();
  await it.next();
  weir.proxies[0].proc.child.kill("SIGTERM");
  await until(async () => { try { await fetch(`${weir.url}/healthz`, { headers: { connection: "close" } }); return false; } catch { return true; } }, "the listener to close");
  release();
  for (let r = await it.next(); !r.done; r = await it.next()) text += r.value.choices[0]?.delta.content ?? "";
  assert.equal(text, "lor ".repeat(12));
  const { code } = await weir.proxies[0].proc.exited;
  assert.equal(code, 0, weir.proxies[0].proc.output.slice(-2000));
});

test("SIGHUP makes the control plane read its policy again, and ends nothing", async (t) => {
  const { weir, openai } = await setting(t);
  weir.control.child.kill("SIGHUP");
  await until(() => weir.control.output.includes("SIGHUP: the policy is read again"), "the line in its log");
  await openai.chat.completions.create(chat());
  assert.equal((await weir.api("/policy")).errors.length, 0);
  assert.ok(!weir.control.gone);
});

test("two workers share nothing and still keep one budget", async (t) => {
  const { mock, openai } = await setting(t, { budgets: budget("calls", "{requests: 10}"), proxyArgs: ["--workers", "2"] });
  const results = await Promise.all(Array.from({ length: 40 }, () => outcome(openai.chat.completions.create(chat()))));
  assert.equal(results.filter((r) => r === "ok").length, 10);
  assert.equal(mock.calls.length, 10);
});
