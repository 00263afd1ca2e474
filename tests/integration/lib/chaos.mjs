// One chaos run, as a program: chaos.mjs sqlite|postgres PROXIES CALLS. chaos.test.mjs starts it in a network and mounts of its own, where
// it may lose packets, cut the network in two and fill disks. Prints what it did as a line of JSON; exit code 1 when an account differs.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { assertExact, load, spentEver } from "./load.mjs";
import { Postgres, Replicas } from "./replicas.mjs";
import { Mock, Proc, agent, budget, prices, provider, route, settled, testTls, until } from "./setup.mjs";

const [engine, proxies, most] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const own = process.env.WEIR_OWN_NETWORK === "1";
const faketime = ["x86_64", "aarch64"].map((c) => `/usr/lib/${c}-linux-gnu/faketime/libfaketime.so.1`).find((f) => fs.existsSync(f));
const MINUTE = 60_000, LOSS = 0.03;
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const ends = [];
const t = { after: (fn) => ends.unshift(fn) };
const clocks = fs.mkdtempSync(path.join(os.tmpdir(), "weir-clocks-"));
t.after(() => fs.rmSync(clocks, { recursive: true, force: true }));
const done = {};
const did = (what) => (done[what] = (done[what] ?? 0) + 1);

// ---- what can be done to a process, its network and its disk

// By less than the five minutes by which certificates begin earlier: clocks that differ by more don't take each other's.
const clockOf = (name) => path.join(clocks, name);
const setClock = (name, ms) => fs.writeFileSync(clockOf(name), `${ms < 0 ? "-" : "+"}${Math.abs(ms) / 1000}\n`);
function envOf(name) {
  if (!faketime) return {};
  if (!fs.existsSync(clockOf(name))) setClock(name, 0);
  return { LD_PRELOAD: faketime, FAKETIME_TIMESTAMP_FILE: clockOf(name), FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1", DONT_FAKE_MONOTONIC: "1" };
}

const iptables = (...args) => execFileSync("iptables", ["-w", ...args], { stdio: "pipe" });
const betweenPlanes = (ports, ...rest) => ["--dports", "--sports"].map((side) => ["INPUT", "-p", "tcp", "-m", "multiport", side, ports, ...rest, "-j", "DROP"]);

const mounts = [];
function disk(name, dir) {
  if (own) mounts.push(dir);
  if (own) execFileSync("mount", ["-t", "tmpfs", "-o", `size=${name.startsWith("control") ? 64 : 12}m,mode=700`, "none", dir]);
}
function fill(dir) {
  const file = path.join(dir, "filler"), f = fs.openSync(file, "w");
  try {
    for (const block = Buffer.alloc(65536); ; ) fs.writeSync(f, block);
  } catch (e) {
    assert.equal(e.code, "ENOSPC");
  }
  try {
    for (const byte = Buffer.alloc(1); ; ) fs.writeSync(f, byte);
  } catch {}
  fs.closeSync(f);
  return () => fs.rmSync(file);
}

async function run() {
  const files = testTls();
  // Enough for nine tenths of the calls: it is the money that ends.
  const limit = BigInt(most) * 6500n, dollars = (nano) => (Number(nano) / 1e9).toFixed(9);
  const plans = [{}, { tokens: 37 }, { toolCall: { name: "x", args: { a: 1 } } }, { cacheRead: 3 }, { status: 500 }, { status: 400 }];
  const mock = await new Mock({ tls: files.options, plan: (_, n) => ({ ...plans[n % plans.length], delayMs: 3 }) }).start();
  t.after(() => mock.stop());
  // Whose proxy is killed has a provider and a budget of its own: what was under way then is charged in full, though it may never be billed.
  const victims = await new Mock({ tls: files.options, plan: () => ({ delayMs: 20 }) }).start();
  t.after(() => victims.stop());
  const victimKey = "weir_sk_victim", victimLimit = 3_000_000n;
  const mine = (agents, name) => `  selector: {agents: [${agents}]}${name ? `\n${name}` : ""}`;
  const policy = prices + agent("tester") + agent("victim", { key: victimKey })
    + provider("oa", "openai", mock.url, { caFile: files.caFile }) + route("all", [["oa"]], "  retry: {attempts: 1}\n  callers: {agents: [tester]}")
    + provider("ov", "openai", victims.url, { caFile: files.caFile }) + route("victims", [["ov"]], "  retry: {attempts: 1}\n  callers: {agents: [victim]}")
    + budget("money", `{usd: ${dollars(limit)}}`, { extra: mine("tester") }) + budget("tokens", "{tokens: 100000000}", { extra: mine("tester") }) + budget("calls", `{requests: ${2 * most}}`, { extra: mine("tester") })
    + budget("victim", `{usd: ${dollars(victimLimit)}}`, { extra: mine("victim") });
  const replicas = await Replicas.start(t, { policy, proxies: proxies + 1, controls: engine === "postgres" ? 3 : 1, pg: engine === "postgres" ? new Postgres() : null, envOf, prepare: disk });
  t.after(() => own && mounts.forEach((m) => execFileSync("umount", ["-l", m])));
  const ports = replicas.controls.map((c) => c.grpc.split(":")[1]).join(",");
  if (own) for (const rule of betweenPlanes(ports, "-m", "statistic", "--mode", "random", "--probability", String(LOSS))) iptables("-A", ...rule);

  const [victim] = replicas.proxies.splice(proxies, 1);
  replicas.proxies.push(victim); // known to the replicas, but not to the ordinary callers
  const running = load({ proxies: replicas.proxies.slice(0, proxies) });
  const hunted = load({ proxies: [victim] }, { callers: 2, key: victimKey });
  let going = true;
  const passed = (n, ms = 4000) => until(() => !going || mock.calls.length > n, "calls", ms).catch(() => {});
  const someCalls = () => passed(mock.calls.length + most / 25);
  const at = (list, n) => list[n % list.length];
  const faults = [
    async (n) => {
      const i = n % replicas.controls.length;
      await replicas.controls[i].proc.stop("SIGKILL");
      await replicas.startControl(i);
      did("control killed");
    },
    async (n) => {
      const c = at(replicas.controls, n);
      c.proc.child.kill("SIGSTOP");
      await someCalls();
      c.proc.child.kill("SIGCONT");
      did("control paused");
    },
    async (n) => {
      const p = at(replicas.proxies, n);
      p.proc.child.kill("SIGSTOP");
      await someCalls();
      p.proc.child.kill("SIGCONT");
      did("proxy paused");
    },
    async () => {
      await victim.proc.stop("SIGKILL");
      await replicas.startProxy(proxies);
      did("proxy killed");
    },
    engine === "postgres" && (async () => {
      await replicas.pg.stop();
      await sleep(200);
      await replicas.pg.start();
      did("database killed");
    }),
    own && (async () => {
      const rules = betweenPlanes(ports);
      for (const r of rules) iptables("-I", ...r);
      await someCalls();
      for (const r of rules) iptables("-D", ...r);
      did("network cut in two");
    }),
    faketime && (async (n) => {
      const c = at(replicas.controls, n), offset = at([2, -1.5, 1, 0], n) * MINUTE;
      setClock(`control${n % replicas.controls.length}`, offset);
      const told = await fetch(`http://127.0.0.1:${c.apiPort}/readyz`).then((r) => Date.parse(r.headers.get("date")), () => undefined);
      if (told !== undefined) assert.ok(Math.abs(told - Date.now() - offset) < 20_000, `its clock says ${new Date(told).toISOString()}, stepped by ${offset} ms`);
      setClock(`proxy${n % proxies}`, at([-2, 1.5, 0], n) * MINUTE);
      did("clocks stepped");
    }),
    own && (async (n) => {
      const free = fill(at(replicas.controls, n).state);
      await someCalls();
      free();
      did("control's disk full");
    }),
    own && (async (n) => {
      const free = fill(at(replicas.proxies, n).state);
      await someCalls();
      free();
      did("proxy's disk full");
    }),
  ].filter(Boolean);
  const trouble = (async () => {
    for (let n = 0; going; n++) {
      await someCalls();
      if (going) await faults[n % faults.length](Math.floor(n / faults.length));
    }
  })();

  // A proxy that is cut off refuses too, so refusals alone don't tell that the money has ended.
  await until(() => running.counts[402] > 20 * proxies && mock.bill * 10n > limit * 9n, "the budget to be used up", 1_500_000);
  going = false;
  await Promise.all([running.stop(), hunted.stop(), trouble]);
  assert.equal(Object.keys(done).length, faults.length, `some fault never came: ${JSON.stringify(done)}`);
  if (own) iptables("-F", "INPUT");
  for (const name of fs.readdirSync(clocks)) setClock(name, 0);
  assert.ok(mock.bill <= limit, `${mock.bill} of ${limit}`);
  const connected = async (p) => /^weir_control_connected 1$/m.test(await (await fetch(`${p.admin}/metrics`)).text());
  await until(async () => (await Promise.all(replicas.proxies.map(connected))).every(Boolean), "all proxies to have a control plane again", 90_000);
  // The last calls' records are on their way.
  const told = async (p) => {
    const text = await (await fetch(`${p.admin}/metrics`)).text();
    return Object.fromEntries(["spool_records", "spool_acknowledged", "spool_refused", "spool_damaged", "records_lost"].map((n) => [n, Number(new RegExp(`^weir_${n}_total (\\d+)`, "m").exec(text)?.[1])]));
  };
  await until(async () => {
    const all = await Promise.all(replicas.proxies.map(told));
    for (const p of all) assert.equal(p.spool_acknowledged, p.spool_records, JSON.stringify(all));
    return all;
  }, "all records to be handed over", 60_000);
  for (const p of await Promise.all(replicas.proxies.slice(0, proxies).map(told))) assert.deepEqual([p.spool_refused, p.spool_damaged, p.records_lost], [0, 0, 0]);
  await assertExact(replicas, mock, "money", limit, { agent: "tester" });
  const control = replicas.controls[0].weir;
  const lost = (await settled(control, "victim")).value;
  assert.ok(victims.bill <= lost && lost <= victimLimit, `killed: billed ${victims.bill}, settled ${lost} of ${victimLimit}`);
  const total = await spentEver(control, { agent: "tester" });
  // A call counts that was sent, whether or not its provider could be reached just then.
  const { 502: broken = 0, 504: late = 0, 0: unheard = 0 } = running.counts;
  const counted = total.calls - total.refused;
  await settled(control, "calls", counted);
  assert.ok(counted >= mock.calls.length && counted <= mock.calls.length + broken + late + unheard, `${counted} calls recorded, ${mock.calls.length} came, told: ${JSON.stringify(running.counts)}`);
  const check = new Proc("weir", ["check", ...(replicas.pg ? ["--store", replicas.pg.dsn] : ["--state", replicas.controls[0].state])]);
  assert.equal((await check.exited).code, 0, check.output);
  console.log(JSON.stringify({ engine, calls: mock.calls.length, limit: String(limit), bill: String(mock.bill), told: running.counts, ...done }));
}

let failure;
await run().catch((e) => (failure = e));
for (const fn of ends) await Promise.resolve().then(fn).catch((e) => (failure ??= e));
if (failure) {
  console.error(JSON.stringify(done), failure.stack);
  process.exit(1);
}
process.exit(0);
