// The way to a provider: through an HTTP proxy, with a private CA, with a client certificate that is rotated.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Tokens } from "./lib/tokens.mjs";
import { Mock, Weir, agent, chat, clients, prices, route, testTls, until } from "./lib/setup.mjs";

const USER = "weir:p@ss-canary:word";

// A CONNECT proxy. refuse: a status in place of a tunnel; names: where hosts really are.
class Proxy {
  constructor({ user, names = {} } = {}) {
    Object.assign(this, { asked: [], authorizations: [], bytes: [], user, names, refuse: 0 });
    this.server = http.createServer((q, r) => (this.asked.push(`${q.method} ${q.url}`), r.writeHead(400).end()));
    this.server.on("connect", (q, socket, head) => this.connect(q, socket, head));
  }
  async start(t) {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    t.after(() => (this.server.closeAllConnections(), this.server.close(), this.open?.forEach((s) => s.destroy())));
    this.open = new Set();
    return this;
  }
  connect(req, socket, head) {
    this.asked.push(req.url);
    this.authorizations.push(req.headers["proxy-authorization"]);
    this.open.add(socket);
    socket.on("error", () => {});
    assert.equal(req.headers.host, req.url);
    assert.equal(head.length, 0);
    const allowed = !this.user || req.headers["proxy-authorization"] === `Basic ${Buffer.from(this.user).toString("base64")}`;
    if (this.refuse || !allowed) return socket.end(`HTTP/1.1 ${this.refuse || 407} No\r\nContent-Length: 0\r\n\r\n`);
    const [host, port] = req.url.split(":");
    const up = net.connect(Number(port), this.names[host] ?? host, () => {
      socket.write("HTTP/1.1 200 Connection ");
      setImmediate(() => {
        socket.write("Established\r\nVia: test\r\n\r\n");
        socket.on("data", (d) => this.bytes.push(d));
        socket.pipe(up).pipe(socket);
      });
    });
    this.open.add(up);
    up.on("error", () => socket.destroy());
  }
}

const provider = (url, caFile, spec) => prices + agent("tester") + `
apiVersion: weir.dev/v1alpha1
kind: Provider
metadata: {name: p}
spec:
  dialect: openai
  endpoint: ${url}
  tls: {caFile: ${caFile}${spec.tls ?? ""}}${spec.more ?? ""}
---` + route("all", [["p"]]);

async function mockOf(t, options = {}) {
  const tls = testTls();
  const mock = await new Mock({ tls: { ...tls.options, ...options }, key: null }).start();
  t.after(() => mock.stop());
  return { mock, caFile: tls.caFile };
}

test("calls and token fetches go through the provider's proxy, which sees ciphertext only", async (t) => {
  const { mock, caFile } = await mockOf(t);
  const proxy = await new Proxy({ user: USER }).start(t);
  const tokens = await new Tokens({ tls: testTls().options, answer: () => ({ body: { access_token: "tunnel-token-canary", expires_in: 3600 } }) }).start();
  t.after(() => tokens.stop());
  const policy = provider(mock.url, caFile, { more: `\n  egressProxy: ${proxy.url}\n  egressProxyUser: {env: PROXY_USER}\n  credential: {oauth: {tokenUrl: ${tokens.url}/t, clientId: c, clientSecret: {env: S}, caFile: ${caFile}}}` });
  const weir = await Weir.start(t, { policy, env: { PROXY_USER: USER, S: "x" } });
  const { openai } = clients(weir.url);
  await openai.chat.completions.create(chat());
  assert.equal((await openai.chat.completions.stream(chat()).finalChatCompletion()).choices.length, 1);
  assert.equal(mock.calls[1].headers.authorization, "Bearer tunnel-token-canary");
  assert.deepEqual(mock.problems, []);
  const hosts = [mock.url, tokens.url].map((u) => u.replace("https://", ""));
  assert.deepEqual([...new Set(proxy.asked)].sort(), hosts.sort());
  const wire = Buffer.concat(proxy.bytes).toString("latin1");
  assert.ok(!/chat\/completions|tunnel-token/.test(wire));
  assert.ok(!weir.proxies[0].proc.output.includes("canary"));
});

test("a proxy that refuses is told by its reason, and the call goes on once it doesn't", async (t) => {
  const { mock, caFile } = await mockOf(t);
  const proxy = await new Proxy({ user: "other:user" }).start(t);
  const weir = await Weir.start(t, { policy: provider(mock.url, caFile, { more: `\n  egressProxy: ${proxy.url}\n  egressProxyUser: {env: PROXY_USER}` }), env: { PROXY_USER: USER } });
  const { openai } = clients(weir.url);
  const refused = (why) => assert.rejects(openai.chat.completions.create(chat()), (e) => e.status === 502 && e.message.includes(why) && !e.message.includes("canary"));
  await refused("(407)");
  proxy.refuse = 403;
  await refused("doesn't allow this upstream (403)");
  proxy.refuse = 504;
  await refused("can't reach the upstream");
  proxy.refuse = 0;
  proxy.user = USER;
  await until(() => openai.chat.completions.create(chat()), "a call through");
  assert.equal(mock.calls.length, 1);
});

test("HTTPS_PROXY of the environment counts, with its user, but not for names in NO_PROXY", async (t) => {
  const { mock, caFile } = await mockOf(t);
  const { port } = new URL(mock.url);
  const proxy = await new Proxy({ user: USER, names: { "far.test": "127.0.0.1" } }).start(t);
  const [name, ...password] = USER.split(":");
  const HTTPS_PROXY = proxy.url.replace("http://", `http://${name}:${encodeURIComponent(password.join(":"))}@`);
  const policy = provider(`https://far.test:${port}`, caFile, { tls: ", serverName: localhost" });
  const through = clients((await Weir.start(t, { policy, env: { HTTPS_PROXY, NO_PROXY: "near.test, 10.0.0.0/8" } })).url).openai;
  await through.chat.completions.create(chat());
  assert.deepEqual(proxy.asked, [`far.test:${port}`]);
  const around = clients((await Weir.start(t, { policy, env: { HTTPS_PROXY, NO_PROXY: ".test" } })).url).openai;
  await assert.rejects(around.chat.completions.create(chat()), (e) => e.status === 502);
  assert.equal(proxy.asked.length, 1);
});

// A CA of clients and certificates that it signed.
function clientCa(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-clients-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const run = (...args) => execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  run("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=clients", "-addext", "basicConstraints=critical,CA:TRUE");
  const issue = (name) => {
    run("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    run("x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", `${name}.pem`, "-days", "2");
  };
  const use = (name) => {
    for (const kind of ["key", "pem"]) {
      fs.copyFileSync(path.join(dir, `${name}.${kind}`), path.join(dir, `next.${kind}`));
      fs.renameSync(path.join(dir, `next.${kind}`), path.join(dir, `client.${kind}`));
    }
  };
  return { dir, issue, use, ca: fs.readFileSync(path.join(dir, "ca.pem")) };
}

test("a client certificate is shown, and a rotated one is used for new connections without a restart", async (t) => {
  const ca = clientCa(t);
  ca.issue("first");
  ca.issue("second");
  ca.use("first");
  const { mock, caFile } = await mockOf(t, { requestCert: true, rejectUnauthorized: true, ca: ca.ca });
  const names = new Set();
  mock.server.on("secureConnection", (s) => names.add(s.getPeerCertificate().subject.CN));
  const weir = await Weir.start(t, { policy: provider(mock.url, caFile, { tls: `, certFile: ${ca.dir}/client.pem, keyFile: ${ca.dir}/client.key` }) });
  const { openai } = clients(weir.url);
  await openai.chat.completions.create(chat());
  assert.deepEqual([...names], ["first"]);
  ca.use("second");
  await until(async () => (await openai.chat.completions.create(chat()), names.has("second")), "the rotated certificate");
});
