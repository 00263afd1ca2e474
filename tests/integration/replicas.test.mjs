// Several control planes on one PostgreSQL: any of them may go, and so may the database; the money stays exact.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Mock, Proc, agent, budget, freePort, prices, provider, route, setting, settled, spend, testTls, until } from "./lib/setup.mjs";
import { assertExact, load, status } from "./lib/load.mjs";
import { Postgres, PostgresPair, Replicas } from "./lib/replicas.mjs";

async function fleet(t, { budgets = "", plan, ...options } = {}) {
  const files = testTls();
  const mock = await new Mock({ tls: files.options, plan }).start();
  t.after(() => mock.stop());
  const policy = prices + agent("tester") + provider("oa", "openai", mock.url, { caFile: files.caFile }) + route("all", [["oa"]], "  retry: {attempts: 1}") + budgets;
  return { mock, replicas: await Replicas.start(t, { policy, ...options }) };
}

test("B-23: a replica killed and the database restarted under load: ledger, records and bill agree, nothing is overspent, a budget can be used up", async (t) => {
  const limit = 12_000_000n;
  const { mock, replicas } = await fleet(t, { budgets: budget("money", "{usd: 0.012}"), plan: () => ({ tokens: 40, delayMs: 5 }) });
  const running = load(replicas);
  await until(() => mock.calls.length >= 60, "60 calls");
  await replicas.controls[0].proc.stop("SIGKILL");
  await until(() => mock.calls.length >= 140, "calls past the replica's end", 60_000);
  await replicas.pg.stop();
  await replicas.pg.start();
  const before = mock.calls.length;
  await until(() => mock.calls.length >= before + 80, "calls past the database's restart", 60_000);
  await replicas.startControl(0);
  await until(() => running.counts[402] > 20, "the budget to be used up", 90_000);
  await running.stop();
  t.diagnostic(JSON.stringify(running.counts));
  assert.ok(mock.bill * 100n >= limit * 90n, `only ${mock.bill} of ${limit} was of use`);
  await assertExact(replicas, mock, "money", limit);
});

test("B-23: the database's machine burns down under load and its standby takes over: what was answered is there, nothing is overspent or counted twice", async (t) => {
  const limit = 12_000_000n;
  const pg = new PostgresPair();
  const { mock, replicas } = await fleet(t, { pg, budgets: budget("money", "{usd: 0.012}"), plan: () => ({ tokens: 40, delayMs: 5 }) });
  const running = load(replicas);
  await until(() => mock.calls.length >= 100, "100 calls");
  for (const c of replicas.controls) assert.doesNotMatch(c.proc.output, /commits wait for no standby/);
  await pg.failOver();
  const before = mock.calls.length;
  await until(() => mock.calls.length >= before + 120, "calls past the failover", 60_000);
  await until(() => running.counts[402] > 20, "the budget to be used up", 90_000);
  await running.stop();
  t.diagnostic(JSON.stringify(running.counts));
  assert.ok(mock.bill * 100n >= limit * 90n, `only ${mock.bill} of ${limit} was of use`);
  await assertExact(replicas, mock, "money", limit);
  const check = new Proc("weir", ["check", "--store", pg.dsn]);
  assert.equal((await check.exited).code, 0, check.output);
});

// One fault after another until told to stop; each time some calls must get through before the next.
function faults(replicas, mock, calls) {
  const done = { kill: 0, pause: 0, database: 0 };
  let going = true;
  const kinds = [
    async (c, i) => {
      await c.proc.stop("SIGKILL");
      await replicas.startControl(i);
      done.kill++;
    },
    async (c) => {
      c.proc.child.kill("SIGSTOP");
      const before = mock.calls.length;
      await until(() => !going || mock.calls.length > before + calls, "calls past a replica that stands still", 60_000).finally(() => c.proc.child.kill("SIGCONT"));
      done.pause++;
    },
    async () => {
      await replicas.pg.stop();
      await replicas.pg.start();
      done.database++;
    },
  ];
  const all = (async () => {
    for (let n = 0; going; n++) {
      const before = mock.calls.length, i = n % replicas.controls.length;
      await until(() => !going || mock.calls.length > before + calls, "calls to get through", 60_000);
      // Killed, killed, stopped, the database: four kinds of turn against three replicas, so that each meets each.
      if (going) await kinds[n % 4 === 3 ? 2 : n % 4 === 2 ? 1 : 0](replicas.controls[i], i);
    }
  })();
  return { done, stop: () => ((going = false), all) };
}

test("B-03, B-05, S-16: replicas killed and stopped, the database restarted, again and again: mixed calls under three budgets stay exact", async (t) => {
  const [proxies, most] = process.env.WEIR_NIGHTLY ? [16, 10_000] : [6, 1_500];
  const plans = [{}, { tokens: 37 }, { toolCall: { name: "x", args: { a: 1 } } }, { cacheRead: 3 }, { status: 500 }, { status: 400 }];
  const budgets = budget("money", "{usd: 100}") + budget("tokens", "{tokens: 100000000}") + budget("calls", `{requests: ${most}}`);
  const { mock, replicas } = await fleet(t, { proxies, budgets, plan: (_, n) => ({ ...plans[n % plans.length], delayMs: 3 }) });
  const running = load(replicas), trouble = faults(replicas, mock, most / 15);
  await until(() => running.counts[402] > 50 * proxies, "the budget to be used up", 900_000);
  await Promise.all([running.stop(), trouble.stop()]);
  t.diagnostic(JSON.stringify({ ...running.counts, ...trouble.done }));
  assert.ok(trouble.done.kill > 1 && trouble.done.pause > 0 && trouble.done.database > 0);
  assert.ok(mock.calls.length <= most && mock.calls.length > most * 0.95, `${mock.calls.length} of ${most}`);
  await assertExact(replicas, mock, "money", 100_000_000_000n);
  const control = replicas.controls[0].weir;
  await settled(control, "calls", mock.calls.length);
  const total = await spend(control);
  assert.equal(total.calls - total.refused, mock.calls.length, "each call is recorded once");
  const check = new Proc("weir", ["check", "--store", replicas.pg.dsn]);
  assert.equal((await check.exited).code, 0, check.output);
});

test("a key that one replica makes or revokes is taken or refused at the proxies of the others", async (t) => {
  const { replicas } = await fleet(t, { controls: 2, proxies: 0 });
  const [a, b] = replicas.controls;
  const far = await replicas.startProxy(0, { order: [1] });
  const made = await a.weir.api("/keys", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ agent: "tester" }) });
  await until(async () => (await status(far.url, made.key)) === 200, "the key to be taken");
  await a.weir.api(`/keys/default/${made.id}`, { method: "DELETE" });
  await until(async () => (await status(far.url, made.key)) === 401, "the key to be refused");
  assert.equal((await b.weir.api("/keys")).items.find((k) => k.id === made.id)?.state, "revoked");
});

test("policy that is applied or deleted at one replica is enforced at the proxies of the others, also by one that was away", async (t) => {
  const { replicas } = await fleet(t, { controls: 2, proxies: 0 });
  const [a, b] = replicas.controls;
  const far = await replicas.startProxy(0, { order: [1] });
  const apply = (c, text) => c.weir.api("/apply", { method: "POST", headers: { "content-type": "application/yaml" }, body: text });
  const names = async (c) => (await c.weir.api("/resources?kind=Budget")).items.map((x) => x.metadata?.name ?? x.name).sort();
  assert.equal(await status(far.url), 200);
  await apply(a, budget("none", "{requests: 0}"));
  await until(async () => (await status(far.url)) === 402, "the budget to be enforced at the other replica's proxy");
  // Both at once, in different objects: none is lost.
  await Promise.all([apply(a, budget("one", "{requests: 1000}")), apply(b, budget("two", "{requests: 1000}"))]);
  for (const c of [a, b]) await until(async () => (await names(c)).join() === "none,one,two", "both budgets to be everywhere");
  await b.proc.stop();
  await a.weir.api("/resources/Budget/default/none", { method: "DELETE" });
  await replicas.startControl(1);
  assert.deepEqual(await names(b), ["one", "two"]);
  await until(async () => (await status(far.url)) === 200, "the budget to be gone");
});

test("all replicas have one CA; a join token of one works once, at any of them; a proxy goes on with the next replica", async (t) => {
  const { replicas } = await fleet(t, { controls: 2, proxies: 0 });
  const [a, b] = replicas.controls;
  assert.equal(fs.readFileSync(path.join(a.state, "ca.crt"), "utf8"), fs.readFileSync(path.join(b.state, "ca.crt"), "utf8"));
  for (const c of [a, b]) assert.ok(!fs.existsSync(path.join(c.state, "ca.key")), "the key is in the database only");
  const token = await replicas.joinToken(a);
  const p = await replicas.startProxy(0, { order: [1, 0], token });
  assert.equal(await status(p.url), 200);
  const late = await replicas.startProxy(1, { order: [0], token, wait: false });
  await until(() => /join token is unknown, used or too old/.test(late.proc.output), "the used token to be refused");
  const on = async (c) => (await c.weir.api("/fleet")).proxies.find((x) => x.node === "proxy0" && x.connected);
  const first = await until(async () => ((await on(a)) && a) || ((await on(b)) && b), "the proxy to show at a replica");
  await first.proc.stop("SIGKILL");
  const other = first === a ? b : a;
  await until(() => on(other), "the proxy to come to the other replica");
  assert.equal(await status(p.url), 200);
});

test("a proxy leaves a replica that stands still for the next one, long before its connection breaks", async (t) => {
  const { replicas } = await fleet(t, { controls: 2, proxies: 1, budgets: budget("calls", "{requests: 1000}") });
  const [p] = replicas.proxies;
  const on = async (c) => (await c.weir.api("/fleet")).proxies.find((x) => x.node === "proxy0" && x.connected);
  const [a, b] = replicas.controls;
  const used = await until(async () => ((await on(a)) && a) || ((await on(b)) && b), "the proxy to show at a replica");
  const other = used === a ? b : a;
  used.proc.child.kill("SIGSTOP");
  t.after(() => used.proc.child.kill("SIGCONT"));
  await until(() => on(other), "the proxy to come to the other replica", 35_000);
  await until(async () => (await status(p.url)) === 200, "calls to be paid for there");
  used.proc.child.kill("SIGCONT");
});

test("--store: waits for a database that isn't there yet and says so; a password in the command line or nonsense is refused", async (t) => {
  const { replicas } = await fleet(t, { controls: 1, proxies: 0 });
  await replicas.controls[0].proc.stop();
  await replicas.pg.stop();
  const c = await replicas.startControl(0, { wait: false });
  await until(() => /waiting for PostgreSQL: trying again in \d+ ms/.test(c.proc.output), "the wait to be told");
  await replicas.pg.start();
  await replicas.ready(c);
  const refused = async (flags, env, says) => {
    const p = new Proc("weir-control", ["--state", path.join(replicas.dir, "none"), "--policy", c.policyDir, "--grpc", `127.0.0.1:${await freePort()}`, ...flags], env);
    await p.exited;
    assert.notEqual(p.code, 0);
    assert.match(p.output, says);
    assert.ok(!p.output.includes("canary"), p.output);
  };
  await refused(["--store", "postgresql://weir:canary@127.0.0.1/weir"], {}, /a password in the command line/);
  await refused(["--store", "ledger.db"], {}, /not a postgresql:\/\/ URI/);
  await refused([], { WEIR_STORE: "postgresql://u:canary@h:notaport:x/?what=canary" }, /not a PostgreSQL URI/);
  const file = path.join(replicas.dir, "dsn");
  fs.writeFileSync(file, "canary");
  await refused(["--store-file", file], {}, /does not hold a postgresql:\/\/ URI/);
});

test("weir migrate moves a state folder into PostgreSQL, where money, records, keys and proxies go on; weir check agrees before and after", async (t) => {
  const { weir, mock } = await setting(t, { budgets: budget("money", "{usd: 1}") });
  const pg = await new Postgres().start();
  t.after(() => pg.end());
  const run = async (...args) => {
    const p = new Proc("weir", args, { PGUSER: "weir" });
    const { code } = await p.exited;
    return { code, text: p.output };
  };
  const made = await weir.api("/keys", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ agent: "tester" }) });
  await until(async () => (await status(weir.url, made.key)) === 200, "the key to be taken");
  for (let i = 0; i < 5; i++) assert.equal(await status(weir.url), 200);
  await settled(weir, "money", mock.bill);
  await until(async () => BigInt((await spend(weir)).costNano) === mock.bill, "the records");
  const before = await spend(weir);
  const from = ["--state", weir.controlState], to = ["--store", pg.dsn];
  let r = await run("check", ...from);
  assert.equal(r.code, 0, r.text);
  r = await run("migrate", ...from, ...to);
  assert.equal(r.code, 1);
  assert.match(r.text, /a control plane works in .*: stop it first/);
  r = await run("migrate", ...from, ...to, "--dry-run");
  assert.equal(r.code, 0, r.text);
  assert.match(r.text, /telemetry.db: calls, \d+ rows/);
  // The proxy goes on meanwhile, with the lease that it holds.
  await weir.control.stop();
  assert.equal(await status(weir.url), 200);
  r = await run("migrate", ...from, ...to);
  assert.equal(r.code, 0, r.text);
  r = await run("migrate", ...from, ...to);
  assert.equal(r.code, 1);
  assert.match(r.text, /is not empty: migrate into a new database/);
  weir.control = new Proc("weir-control", ["--state", weir.controlState, "--policy", weir.policyDir, "--store", pg.dsn, "--grpc", `unix:${weir.socket}`, "--api", `127.0.0.1:${weir.apiPort}`], weir.env);
  await weir.waitReady(weir.control, `http://127.0.0.1:${weir.apiPort}/readyz`);
  await until(async () => (await status(weir.url, made.key)) === 200, "the key to be taken still");
  await settled(weir, "money", mock.bill);
  await until(async () => BigInt((await spend(weir)).costNano) === mock.bill, "the records, old and new");
  assert.ok((await spend(weir)).calls > before.calls);
  r = await run("check", ...to);
  assert.equal(r.code, 0, r.text);
  assert.match(r.text, /: 0 contradictions/);
  r = await run("migrate", ...to);
  assert.equal(r.code, 0, r.text);
});

test("a control plane that knows several database hosts warns when commits wait for no standby; one that knows a single host has nothing to warn of", async (t) => {
  const pg = new Postgres();
  const single = pg.dsn;
  pg.dsn = single.replace(pg.dir, `${pg.dir},${pg.dir}`);
  const { replicas } = await fleet(t, { controls: 1, proxies: 0, pg });
  const warning = /names several hosts, but PostgreSQL's commits wait for no standby: .* set synchronous_standby_names/;
  await until(() => warning.test(replicas.controls[0].proc.output), "the warning");
  await replicas.controls[0].proc.stop();
  pg.dsn = single;
  await replicas.startControl(0);
  assert.doesNotMatch(replicas.controls[0].proc.output, warning);
});
