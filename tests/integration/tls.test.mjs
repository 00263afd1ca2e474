// The data port with TLS: HTTP/2 and HTTP/1.1 by ALPN, the same calls as on the plain port, and certificates that are changed, wrong or old.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import tls from "node:tls";
import { once } from "node:events";
import { test } from "node:test";
import { promisify } from "node:util";
import { begin, connect, whole } from "./lib/h2.mjs";
import { CALLER_KEY, Proc, bin, budget, chat, freePort, records, setting, settled, testTls, until } from "./lib/setup.mjs";

const run = promisify(execFile);
const money = budget("money", "{usd: 10}");
const modules = path.resolve(import.meta.dirname, "../node_modules");

// A certificate for localhost of the tests' CA; old: one that was good for a day in 2020.
function certificate(dir, name, { old } = {}) {
  const ca = path.dirname(testTls().caFile);
  const file = (end) => path.join(dir, `${name}.${end}`);
  const openssl = (...args) => execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
  openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file("key"), "-out", file("csr"), "-subj", `/CN=${name}`);
  fs.writeFileSync(file("ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n");
  const dates = old ? ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"] : ["-days", "2"];
  fs.writeFileSync(file("cnf"), `[ca]\ndefault_ca = d\n[d]\ndatabase = ${file("index")}\nserial = ${file("serial")}\nnew_certs_dir = ${dir}\npolicy = p\n[p]\ncommonName = supplied\n`);
  fs.writeFileSync(file("index"), "");
  fs.writeFileSync(file("serial"), `01${randomBytes(8).toString("hex")}\n`);
  openssl("ca", "-batch", "-notext", "-md", "sha256", "-config", file("cnf"), "-cert", testTls().caFile, "-keyfile", path.join(ca, "ca.key"), "-in", file("csr"), "-out", file("pem"), "-extfile", file("ext"), ...dates);
  return { cert: file("pem"), key: file("key") };
}

async function secure(t, options = {}) {
  const dir = fs.mkdtempSync("/tmp/weir-front-");
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const files = certificate(dir, "first");
  const port = await freePort();
  const flags = ["--listen-tls", `127.0.0.1:${port}`, "--tls-cert", files.cert, "--tls-key", files.key];
  const s = await setting(t, { budgets: money, ...options, proxyArgs: [...flags, ...(options.proxyArgs ?? [])] });
  return { ...s, dir, files, flags, port, url: `https://localhost:${port}`, ca: testTls().ca };
}

// A call over HTTP/1.1.
function post(url, body, { headers = {}, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const q = https.request(`${url}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${CALLER_KEY}`, "content-type": "application/json", ...headers }, ...options }, async (res) => {
      let text = "";
      for await (const d of res.setEncoding("utf8")) text += d;
      resolve({ status: res.statusCode, text, version: res.httpVersion });
    });
    q.on("error", reject);
    q.end(JSON.stringify(body));
  });
}

const shake = (port, options) =>
  new Promise((resolve) => {
    const s = tls.connect({ port, host: "127.0.0.1", servername: "localhost", ...options }, () => (resolve({ alpn: s.alpnProtocol, version: s.getProtocol(), subject: s.getPeerCertificate().subject.CN }), s.destroy()));
    s.on("error", (e) => resolve({ error: e.code ?? e.message }));
  });

test("ALPN chooses: h2, http/1.1, or nothing, with TLS 1.2 and 1.3 alone; the calls are the same", async (t) => {
  const { url, port, ca, mock, weir } = await secure(t);
  assert.deepEqual(await shake(port, { ca, ALPNProtocols: ["http/1.1", "h2"] }), { alpn: "h2", version: "TLSv1.3", subject: "first" });
  assert.equal((await shake(port, { ca, ALPNProtocols: ["http/1.1"] })).alpn, "http/1.1");
  assert.equal((await shake(port, { ca })).alpn, false);
  assert.equal((await shake(port, { ca, maxVersion: "TLSv1.2" })).version, "TLSv1.2");
  assert.ok((await shake(port, { ca, ALPNProtocols: ["spdy/1"] })).error);
  assert.ok((await shake(port, { ca, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" })).error);
  assert.match((await shake(port, {})).error, /^UNABLE_TO_(GET_ISSUER_CERT_LOCALLY|VERIFY_LEAF_SIGNATURE)$/);

  const session = await connect(t, url, { ca });
  assert.equal(session.alpnProtocol, "h2");
  const a = await whole(session, chat());
  const b = await post(url, chat(), { ca });
  assert.equal(b.version, "1.1");
  assert.deepEqual([a.status, b.status], [200, 200]);
  assert.equal(a.text.replace(/"(id|created)":[^,]*/g, ""), b.text.replace(/"(id|created)":[^,]*/g, ""));
  assert.deepEqual(mock.calls[0].raw, mock.calls[1].raw);
  assert.equal((await whole(session, chat(), { authorization: "Bearer nobody" })).status, 401);
  assert.equal((await post(url, chat(), { ca, headers: { authorization: "Bearer nobody" } })).status, 401);
  await settled(weir, "money", mock.bill);
  await until(async () => /^weir_client_tls_failures_total(\{.*\})? [1-9]/m.test(await weir.metrics()), "the failures to be counted");
});

for (const secured of [false, true])
  test(`100 streams on one ${secured ? "TLS " : ""}connection: one that is cancelled settles what it cost, and the others end whole`, async (t) => {
    let release;
    const all = new Promise((r) => (release = r));
    const s = await secure(t, { plan: (call, n) => ({ tokens: 20 + n, holdAfter: [5, all] }) });
    const session = await connect(t, secured ? s.url : s.weir.url, { ca: s.ca });
    const streams = Array.from({ length: 100 }, () => begin(session, chat({ stream: true })));
    for (const a of streams) a.stream.on("data", (d) => (a.text += d));
    await until(() => s.mock.calls.length === 100 && streams.every((a) => a.text), "all to have begun");
    const [cancelled, ...rest] = streams;
    cancelled.stream.close(http2.constants.NGHTTP2_CANCEL);
    await until(() => s.mock.calls.filter((c) => c.aborted).length === 1, "the provider to see the cancel");
    release();
    for (const a of rest) {
      if (!a.stream.closed) await once(a.stream, "close");
      assert.ok(a.text.endsWith("data: [DONE]\n\n"), a.text.slice(-100));
    }
    const list = await records(s.weir, 100);
    for (const r of list) assert.ok(BigInt(r.costNano) > 0n);
    await settled(s.weir, "money", list.reduce((n, r) => n + BigInt(r.costNano), 0n));
    assert.equal((await whole(session, chat())).status, 200);
  });

test("large bodies pass both ways over TLS; a client that doesn't read stops its provider, and gets every byte once it does", async (t) => {
  const piece = JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "mock-small", choices: [{ index: 0, delta: { content: "a".repeat(16000) }, logprobs: null, finish_reason: null }] });
  let sent = 0;
  const events = (count) => ({ length: count, *[Symbol.iterator]() { for (let i = 0; i < count; i++, sent++) yield { text: `data: ${piece}\n\n`, tokens: 1 }; yield { text: "data: [DONE]\n\n" }; } });
  const { url, ca, mock } = await secure(t, { budgets: "", plan: (call) => (call.body.stream ? { events: events(call.body.max_tokens) } : {}) });
  const large = chat({ messages: [{ role: "user", content: "How high? ".repeat(400_000) }] });
  const session = await connect(t, url, { ca });
  assert.equal((await whole(session, large)).status, 200);
  assert.equal((await post(url, large, { ca })).status, 200);
  for (const c of mock.calls) assert.equal(c.raw.length, JSON.stringify(large).length);

  const want = (count) => count * `data: ${piece}\n\n`.length + "data: [DONE]\n\n".length;
  const [two, one] = await Promise.all([whole(session, chat({ stream: true, max_tokens: 300 })), post(url, chat({ stream: true, max_tokens: 300 }), { ca })]);
  for (const a of [two, one]) assert.equal(a.text.length, want(300));

  for (const kind of ["h2", "http/1.1"]) {
    sent = 0;
    let stream, other;
    if (kind === "h2") {
      const a = begin(session, chat({ stream: true, max_tokens: 4000 }));
      await a.head;
      stream = a.stream;
      other = () => whole(session, chat());
    } else {
      const q = https.request(`${url}/v1/chat/completions`, { ca, method: "POST", headers: { authorization: `Bearer ${CALLER_KEY}` }, agent: false });
      q.on("error", () => {});
      q.end(JSON.stringify(chat({ stream: true, max_tokens: 4000 })));
      [stream] = await once(q, "response");
      other = () => post(url, chat(), { ca });
    }
    let last = -1;
    await until(async () => {
      const still = sent === last && sent > 0;
      last = sent;
      await new Promise((r) => setTimeout(r, 300));
      return still && sent === last;
    }, "the provider to stand still");
    assert.ok(sent < 2000, `${kind}: ${sent} of 4000 pieces were taken`);
    assert.equal((await other()).status, 200);
    let n = 0;
    stream.on("data", (d) => (n += d.length));
    await once(stream, "end");
    assert.equal(n, want(4000), kind);
  }
});

test("the OpenAI SDK finds the gateway by its private CA, and refuses it without", async (t) => {
  const { url } = await secure(t);
  const program = `import OpenAI from "${modules}/openai/index.mjs";
    const client = new OpenAI({ baseURL: process.argv[1] + "/v1", apiKey: process.argv[2], maxRetries: 0 });
    try {
      const stream = await client.chat.completions.create({ model: "mock-small", max_tokens: 100, stream: true, messages: [{ role: "user", content: "How high?" }] });
      let text = "";
      for await (const c of stream) text += c.choices[0]?.delta?.content ?? "";
      console.log("said", text);
    } catch (e) {
      console.log("failed", e.status ?? e.cause?.cause?.code ?? e.cause?.code, e.message);
    }`;
  const sdk = async (key, env) => (await run(process.execPath, ["--input-type=module", "-e", program, url, key], { env: { PATH: process.env.PATH, ...env } })).stdout;
  assert.match(await sdk(CALLER_KEY, { NODE_EXTRA_CA_CERTS: testTls().caFile }), /^said lor lor/);
  assert.match(await sdk("nobody", { NODE_EXTRA_CA_CERTS: testTls().caFile }), /^failed 401/);
  assert.match(await sdk(CALLER_KEY, {}), /^failed UNABLE_TO_VERIFY_LEAF_SIGNATURE|^failed UNABLE_TO_GET_ISSUER_CERT_LOCALLY/);
});

test("curl speaks HTTP/2 by prior knowledge and by ALPN", async (t) => {
  try {
    if (!(await run("curl", ["--version"])).stdout.includes("HTTP2")) return t.skip("curl has no HTTP/2");
  } catch {
    return t.skip("curl is not installed");
  }
  const { weir, url } = await secure(t);
  const curl = async (...args) => (await run("curl", ["-sS", "--cacert", testTls().caFile, "-H", `authorization: Bearer ${CALLER_KEY}`, "-H", "content-type: application/json", "-w", "\n%{http_version} %{http_code}", ...args])).stdout;
  const body = JSON.stringify(chat({ stream: true }));
  assert.match(await curl("--http2-prior-knowledge", "-d", body, `${weir.url}/v1/chat/completions`), /data: \[DONE\]\n\n\n2 200$/);
  assert.match(await curl("--http2", "-d", body, `${url}/v1/chat/completions`), /data: \[DONE\]\n\n\n2 200$/);
  assert.match(await curl("--http1.1", "-d", body, `${url}/v1/chat/completions`), /data: \[DONE\]\n\n\n1.1 200$/);
  assert.match(await curl("--http2", "-I", `${url}/v1/models`), /^HTTP\/2 /);
});

test("SIGTERM drains over TLS: GOAWAY at once, the open stream ends whole, exit code 0", async (t) => {
  let release;
  const { weir, url, ca } = await secure(t, { plan: () => ({ tokens: 12, holdAfter: [6, new Promise((r) => (release = r))] }) });
  const session = await connect(t, url, { ca });
  const told = once(session, "goaway");
  const a = begin(session, chat({ stream: true }));
  a.stream.on("data", (d) => (a.text += d));
  await a.head;
  weir.proxies[0].proc.child.kill("SIGTERM");
  assert.equal((await told)[0], http2.constants.NGHTTP2_NO_ERROR);
  release();
  if (!a.stream.closed) await once(a.stream, "close");
  assert.ok(a.text.endsWith("data: [DONE]\n\n"), a.text.slice(-200));
  assert.equal((await weir.proxies[0].proc.exited).code, 0);
});

test("a changed certificate serves new connections; one that can't be used leaves the old one and is told", async (t) => {
  const { port, ca, dir, files, weir, url } = await secure(t, { proxyArgs: ["--workers", "2"] });
  const session = await connect(t, url, { ca });
  const subject = async () => (await shake(port, { ca })).subject;
  const replace = (from) => {
    for (const part of ["cert", "key"]) {
      fs.copyFileSync(from[part], `${files[part]}.new`);
      fs.renameSync(`${files[part]}.new`, files[part]);
    }
  };
  const problem = async () => (await (await fetch(`${weir.proxies[0].admin}/readyz`)).json()).problem;
  const second = certificate(dir, "second");
  replace(second);
  await until(async () => (await subject()) === "second", "the new certificate");
  assert.equal((await whole(session, chat())).status, 200);
  replace({ ...second, key: certificate(dir, "third").key });
  await until(async () => /does not belong to the certificate/.test(await problem()), "the mismatch to be told");
  assert.equal(await subject(), "second");
  replace(certificate(dir, "fourth", { old: true }));
  await until(async () => /expired on 2020-01-02/.test(await problem()), "the expiry to be told");
  assert.equal(await subject(), "second");
  replace(certificate(dir, "fifth"));
  await until(async () => (await subject()) === "fifth", "the mended certificate");
  assert.equal(await problem(), undefined);
});

test("a start without a usable certificate says why", async (t) => {
  const { dir, files } = await secure(t);
  const start = async (cert, key, flags = ["--listen-tls", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key]) => {
    const p = new Proc("weir-proxy", ["--state", path.join(dir, "state"), "--listen", "127.0.0.1:0", "--admin", `unix:${dir}/admin`, ...flags]);
    t.after(() => p.stop());
    return { ...(await p.exited), text: p.output };
  };
  const bad = async (cert, key, pattern, flags) => {
    const { code, text } = await start(cert, key, flags);
    assert.ok(code === 1 || code === 2, text);
    assert.match(text, pattern);
  };
  const other = certificate(dir, "other");
  const old = certificate(dir, "old", { old: true });
  fs.writeFileSync(path.join(dir, "junk"), "no PEM\n");
  await bad(path.join(dir, "none"), files.key, /--tls-cert .*none: No such file or directory/);
  await bad(files.cert, path.join(dir, "none"), /--tls-key .*none: No such file or directory/);
  await bad(path.join(dir, "junk"), files.key, /the certificate cannot be read/);
  await bad(files.cert, path.join(dir, "junk"), /the private key cannot be read/);
  await bad(files.cert, other.key, /the private key does not belong to the certificate/);
  await bad(old.cert, old.key, /the certificate has expired on 2020-01-02/);
  await bad(null, null, /must be given together/, ["--listen-tls", "127.0.0.1:0"]);
  await bad(null, null, /--listen-tls nowhere: give HOST:PORT/, ["--listen-tls", "nowhere", "--tls-cert", files.cert, "--tls-key", files.key]);
});

test("weir up opens the TLS port beside the plain one", async (t) => {
  const dir = fs.mkdtempSync("/tmp/weir-up-tls-");
  const files = certificate(dir, "local");
  const [plain, port, admin, api] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const up = new Proc("weir", ["up", "--state", path.join(dir, "state"), "--policy", dir, "--ready-file", path.join(dir, "ready"), "--listen", `127.0.0.1:${plain}`, "--admin", `127.0.0.1:${admin}`,
    "--api-listen", `127.0.0.1:${api}`, "--listen-tls", `127.0.0.1:${port}`, "--tls-cert", files.cert, "--tls-key", files.key]);
  t.after(async () => (await up.stop("SIGINT"), fs.rmSync(dir, { recursive: true, force: true })));
  await until(() => fs.existsSync(path.join(dir, "ready")) || (up.gone && assert.fail(up.output)), "weir up", 30_000);
  assert.match(up.stdout, new RegExp(`Gateway    http://127.0.0.1:${plain} and https://127.0.0.1:${port}\n`));
  const key = fs.readFileSync(path.join(dir, "state", "local.key"), "utf8").trim();
  const session = await connect(t, `https://localhost:${port}`, { ca: testTls().ca });
  assert.equal((await whole(session, chat({ model: "echo" }), { authorization: `Bearer ${key}` })).status, 200);
  const { stderr, code } = await run(path.join(bin, "weir"), ["up", "--state", path.join(dir, "other"), "--policy", dir, "--listen", `127.0.0.1:${await freePort()}`, "--tls-cert", files.cert]).catch((e) => e);
  assert.equal(code, 1);
  assert.match(stderr, /must be given together/);
});

test("plain HTTP, rubbish and a handshake that stands still end their own connection", async (t) => {
  const { port, url, ca } = await secure(t);
  const session = await connect(t, url, { ca });
  const say = async (bytes) => {
    const s = net.connect(port, "127.0.0.1");
    let text = "";
    s.on("error", () => {});
    s.on("data", (d) => (text += d.toString("latin1")));
    s.write(bytes);
    await once(s, "close");
    return text;
  };
  const still = say(Buffer.from([0x16, 3, 1, 2, 0])); // the rest of the record never comes
  assert.match(await say("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), /^HTTP\/1.1 400 [^]*use https:\/\/ in the base URL\."}}$/);
  assert.match(await say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), /^HTTP\/1.1 400 /);
  await say(Buffer.alloc(4000, 7));
  assert.equal((await whole(session, chat())).status, 200);
  await still;
  assert.equal((await whole(session, chat())).status, 200);
});
