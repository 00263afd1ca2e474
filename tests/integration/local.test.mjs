// `weir up`: both programs on one machine, without any provider key, as a person would start them.
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import { once } from "node:events";
import path from "node:path";
import { test } from "node:test";
import { Proc, agent, budget, clients, freePort, provider, route, until } from "./lib/setup.mjs";

async function place(t) {
  const dir = fs.mkdtempSync("/tmp/weir-up-");
  const procs = [];
  t.after(async () => {
    await Promise.all(procs.map((proc) => proc.stop("SIGINT")));
    // The two programs write their output to files here.
    for (const f of ["weir-control.log", "weir-proxy.log"]) {
      const file = path.join(dir, "state", f);
      if (fs.existsSync(file)) assert.doesNotMatch(fs.readFileSync(file, "utf8"), /AddressSanitizer|runtime error:|assertion failed/);
    }
    fs.rmSync(dir, { recursive: true, force: true });
  });
  fs.mkdirSync(path.join(dir, "policy"));
  const ports = { listen: await freePort(), admin: await freePort(), api: await freePort() };
  const args = (p = ports) => ["up", "--state", path.join(dir, "state"), "--policy", path.join(dir, "policy"), "--ready-file", path.join(dir, "ready"),
    "--listen", `127.0.0.1:${p.listen}`, "--admin", `127.0.0.1:${p.admin}`, "--api-listen", `127.0.0.1:${p.api}`];
  return { dir, ports, args, procs, ready: path.join(dir, "ready"), state: path.join(dir, "state") };
}

async function up(t, p) {
  fs.rmSync(p.ready, { force: true });
  const proc = new Proc("weir", p.args());
  p.procs.push(proc);
  await until(() => {
    if (proc.gone) throw new Error(proc.output);
    return fs.existsSync(p.ready);
  }, `weir up: ${proc.output}`, 30_000);
  const facts = Object.fromEntries(fs.readFileSync(p.ready, "utf8").trim().split("\n").map((l) => l.split(/=(.*)/s).slice(0, 2)));
  return { proc, facts, key: fs.readFileSync(path.join(p.state, "local.key"), "utf8").trim() };
}

async function ask({ openai, anthropic }, model) {
  const message = { model, max_tokens: 50, messages: [{ role: "user", content: "Say hello." }] };
  const a = await openai.chat.completions.create(message);
  assert.ok(a.choices[0].message.content.length > 0);
  const b = await anthropic.messages.create(message);
  assert.equal(b.type, "message");
  assert.ok(b.content[0].text.length > 0);
  let text = "";
  for await (const e of await openai.chat.completions.create({ ...message, stream: true })) text += e.choices[0]?.delta.content ?? "";
  assert.ok(text.length > 0);
}

test("weir up without a provider key: both SDKs get an answer with the local key; Ctrl-C ends both; it starts again", async (t) => {
  const p = await place(t);
  fs.writeFileSync(path.join(p.dir, "policy", "b.yaml"), budget("rate", "{requests: 600}", { window: "minute" }));
  const first = await up(t, p);
  assert.equal(first.facts.gateway, `http://127.0.0.1:${p.ports.listen}`);
  assert.ok(first.facts.model);
  await ask(clients(first.facts.gateway, first.key), first.facts.model);
  assert.match(first.proc.stdout, /Weir is up/);
  assert.match(first.proc.stdout, new RegExp(`http://127\\.0\\.0\\.1:${p.ports.api}/#login=`));
  assert.equal(fs.statSync(path.join(p.state, "local.key")).mode & 0o777, 0o600);
  const children = fs.readFileSync(`/proc/${first.proc.pid}/task/${first.proc.pid}/children`, "utf8").trim().split(" ");
  assert.equal(children.length, 2);
  const at = Date.now();
  first.proc.child.kill("SIGINT");
  const { code } = await first.proc.exited;
  assert.equal(code, 0, first.proc.output);
  assert.ok(Date.now() - at < 8000, `took ${Date.now() - at} ms`);
  for (const pid of children) assert.ok(!fs.existsSync(`/proc/${pid}`), `process ${pid} is still there`);
  const second = await up(t, p);
  assert.equal(second.key, first.key, "the key stays");
  await ask(clients(second.facts.gateway, second.key), second.facts.model);
});

test("a port that is taken is named with the flag that changes it, and nothing is left running", async (t) => {
  const p = await place(t);
  const taken = net.createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  t.after(() => taken.close());
  const { port } = taken.address();
  for (const [what, flag] of [["listen", "--listen"], ["admin", "--admin"], ["api", "--api-listen"]]) {
    const proc = new Proc("weir", p.args({ ...p.ports, [what]: port }));
    const { code } = await proc.exited;
    assert.equal(code, 1, proc.output);
    assert.match(proc.output, new RegExp(`127\\.0\\.0\\.1:${port} can't be used: another program listens there`));
    assert.match(proc.output, new RegExp(`${flag} HOST:PORT`));
    assert.ok(!fs.existsSync(p.ready));
  }
});

test("a second weir up in the same state folder is refused", async (t) => {
  const p = await place(t);
  await up(t, p);
  const other = { listen: await freePort(), admin: await freePort(), api: await freePort() };
  const proc = new Proc("weir", p.args(other));
  const { code } = await proc.exited;
  assert.equal(code, 1);
  assert.match(proc.output, /another `weir up` works in/);
});

test("a policy that is not valid at the start: weir up lists every error and starts nothing", async (t) => {
  const p = await place(t);
  fs.writeFileSync(path.join(p.dir, "policy", "bad.yaml"), budget("b", "{usd: lots}"));
  fs.writeFileSync(path.join(p.dir, "policy", "worse.yaml"), agent("a", { extra: "  teem: x" }));
  const proc = new Proc("weir", p.args());
  p.procs.push(proc);
  const { code } = await proc.exited;
  assert.equal(code, 1, proc.output);
  assert.match(proc.output, /bad\.yaml:\d+: Budget\/b: spec\.limit\.usd/);
  assert.match(proc.output, /worse\.yaml:\d+: Agent\/a: spec\.teem/);
  assert.match(proc.output, /has 2 errors/);
  assert.ok(!fs.existsSync(path.join(p.state, "weir-control.log")), "nothing was started");
});

test("a policy that only the proxy can find wrong: weir up ends with its reason", async (t) => {
  const p = await place(t);
  fs.writeFileSync(path.join(p.dir, "policy", "p.yaml"), provider("mine", "openai", "http://127.0.0.1:9").replace("{env: MOCK_KEY}", "{file: /nonexistent/key}") + agent("local") + route("all", [["mine"]]));
  const proc = new Proc("weir", p.args());
  p.procs.push(proc);
  const { code } = await proc.exited;
  assert.equal(code, 1, proc.output);
  assert.match(proc.output, /weir-proxy can't use the policy: Provider default\/mine: spec\.credential\.file: no such file on this proxy/);
  assert.doesNotMatch(proc.output, /in time/, "it did not wait for a time to run out");
});

test("a program that dies while Weir is up is started again", async (t) => {
  const p = await place(t);
  const { facts, key, proc } = await up(t, p);
  const children = fs.readFileSync(`/proc/${proc.pid}/task/${proc.pid}/children`, "utf8").trim().split(" ");
  for (const pid of children) process.kill(Number(pid), "SIGKILL");
  await until(() => /it is started again/.test(proc.output), "the message");
  await until(async () => { await ask(clients(facts.gateway, key), facts.model); return true; }, "an answer again", 30_000);
});
