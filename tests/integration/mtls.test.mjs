// Proxies that come over the network: a join token buys the first certificate, and everything after it is mTLS.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Mock, Proc, Weir, agent, budget, chat, clients, freePort, prices, provider, records, route, settled, testTls, until } from "./lib/setup.mjs";

const SECRET = "sk-pushed-over-mtls-canary-33d0";

// A control plane on a TCP port and a mock provider whose key the control plane pushes.
async function network(t, { budgets = "" } = {}) {
  const files = testTls();
  const mock = await new Mock({ tls: files.options, key: SECRET }).start();
  t.after(() => mock.stop());
  const weir = new Weir();
  const grpc = `127.0.0.1:${await freePort()}`;
  weir.dir = fs.mkdtempSync("/tmp/weir-mtls-");
  weir.policyDir = path.join(weir.dir, "policy");
  weir.controlState = path.join(weir.dir, "control");
  weir.proxies = [];
  fs.mkdirSync(weir.policyDir);
  fs.mkdirSync(weir.controlState, { mode: 0o700 });
  fs.writeFileSync(path.join(weir.dir, "secret"), SECRET, { mode: 0o600 });
  const policy = prices + agent() + provider("oa", "openai", mock.url, { caFile: files.caFile }).replace("{env: MOCK_KEY}", `{pushed: {file: ${path.join(weir.dir, "secret")}}}`) + route("all", [["oa"]]) + budgets;
  weir.writePolicy(policy);
  weir.apiPort = await freePort();
  t.after(() => weir.stop(t));
  const start = async () => {
    weir.control = new Proc("weir-control", ["--state", weir.controlState, "--policy", weir.policyDir, "--grpc", grpc, "--api", `127.0.0.1:${weir.apiPort}`]);
    await weir.waitReady(weir.control, `http://127.0.0.1:${weir.apiPort}/readyz`);
    weir.token = fs.readFileSync(path.join(weir.controlState, "admin.token"), "utf8").trim();
  };
  await start();
  const ca = path.join(weir.controlState, "ca.crt");
  const joinToken = async (body = {}) => {
    const { token } = await weir.api("/join-tokens", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    const file = path.join(weir.dir, `join-${Math.random()}`);
    fs.writeFileSync(file, `${token}\n`, { mode: 0o600 });
    return file;
  };
  const proxy = async (name, flags, ports) => {
    const p = { port: ports?.port ?? (await freePort()), adminPort: ports?.adminPort ?? (await freePort()), state: path.join(weir.dir, name) };
    fs.mkdirSync(p.state, { recursive: true, mode: 0o700 });
    p.url = `http://127.0.0.1:${p.port}`;
    p.admin = `http://127.0.0.1:${p.adminPort}`;
    p.proc = new Proc("weir-proxy", ["--state", p.state, "--control", grpc, "--listen", `127.0.0.1:${p.port}`, "--admin", `127.0.0.1:${p.adminPort}`, "--node", name, ...flags]);
    weir.proxies.push(p);
    return p;
  };
  return { weir, mock, policy, grpc, ca, joinToken, proxy, start };
}

const ready = (weir, p) => weir.waitReady(p.proc, `${p.admin}/readyz`);
const status = (p) => clients(p.url).openai.chat.completions.create(chat()).then(() => 200, (e) => e.status ?? String(e));

test("a join token buys a certificate: policy, pushed secret, budget and records work over mTLS, and again after both restart", async (t) => {
  const { weir, mock, ca, joinToken, proxy, start } = await network(t, { budgets: budget("calls", "{requests: 1000}") });
  const token = await joinToken();
  const p = await proxy("far", ["--control-ca", ca, "--join-token-file", token]);
  await ready(weir, p);
  assert.equal(await status(p), 200);
  assert.deepEqual(mock.problems, [], "the pushed secret is the provider's key");
  await settled(weir, "calls", 1);
  assert.equal((await records(weir, 1)).length, 1);
  const [seen] = (await weir.api("/fleet")).proxies;
  assert.equal(seen.node, "far");
  assert.equal(seen.namespace, "default");
  assert.notEqual(seen.peer, "local");
  for (const f of fs.readdirSync(p.state)) {
    const file = path.join(p.state, f);
    if (!fs.statSync(file).isFile()) continue;
    assert.ok(!fs.readFileSync(file, "latin1").includes(SECRET), `the secret is in ${f}`);
    if (fs.readFileSync(file, "latin1").includes("PRIVATE KEY")) assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  }
  // The certificate in the state folder is enough from now on.
  await p.proc.stop();
  await weir.control.stop();
  fs.unlinkSync(token);
  await start();
  const again = await proxy("far", ["--control-ca", ca], p);
  await ready(weir, again);
  await until(async () => (await status(again)) === 200, "the pushed secret, which no disk keeps, to come again");
  await settled(weir, "calls", 2);
  for (const output of [p.proc.output, again.proc.output, weir.control.output]) assert.ok(!output.includes(SECRET));
});

test("a join token works once: the second proxy is refused and says why", async (t) => {
  const { weir, ca, joinToken, proxy } = await network(t);
  const token = await joinToken();
  await ready(weir, await proxy("one", ["--control-ca", ca, "--join-token-file", token]));
  const two = await proxy("two", ["--control-ca", ca, "--join-token-file", token]);
  await until(() => /join token/i.test(two.proc.output), `a log line: ${two.proc.output}`);
  assert.equal((await fetch(`${two.admin}/readyz`)).status, 503);
  assert.equal((await weir.api("/fleet")).proxies.some((x) => x.node === "two"), false);
});

test("no token, a made-up token, another CA: refused with a clear line, never ready, nothing leaked", async (t) => {
  const { weir, ca, joinToken, proxy } = await network(t);
  const wrong = path.join(weir.dir, "wrong-token");
  fs.writeFileSync(wrong, "made-up-token-77", { mode: 0o600 });
  const none = await proxy("none", ["--control-ca", ca]);
  const madeUp = await proxy("made-up", ["--control-ca", ca, "--join-token-file", wrong]);
  const otherCa = await proxy("other-ca", ["--control-ca", testTls().caFile, "--join-token-file", await joinToken()]);
  await until(() => /--join-token-file|certificate/i.test(none.proc.output), "a line that names what is missing");
  await until(() => /join token/i.test(madeUp.proc.output), "a line about the token");
  await until(() => /certificate|TLS|CA/.test(otherCa.proc.output), "a line about the CA");
  assert.ok(!madeUp.proc.output.includes("made-up-token-77"));
  assert.ok(!weir.control.output.includes("made-up-token-77"));
  for (const p of [none, madeUp, otherCa])
    if (!p.proc.gone) assert.equal((await fetch(`${p.admin}/readyz`)).status, 503);
  assert.deepEqual((await weir.api("/fleet")).proxies, []);
});

test("a namespace's token: the proxy gets that namespace's policy only, whatever it says of itself", async (t) => {
  const { weir, policy, ca, joinToken, proxy } = await network(t);
  weir.writePolicy(policy + agent("elsewhere", { key: "weir_sk_elsewhere" }).replace("{name: elsewhere}", "{name: elsewhere, namespace: other}"));
  const p = await proxy("guest", ["--control-ca", ca, "--join-token-file", await joinToken({ namespace: "other" }), "--namespace", "default"]);
  await until(async () => (await weir.api("/fleet")).proxies.find((x) => x.node === "guest" && x.connected), "the proxy in the fleet");
  assert.equal((await weir.api("/fleet")).proxies[0].namespace, "other");
  await ready(weir, p);
  assert.equal(await status(p), 401, "an agent of the namespace default is not known there");
});
