// What a hostile provider, or a hasty client, could make Weir bill or pass on wrongly.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import zlib from "node:zlib";
import { CALLER_KEY, budget, chat, records, setting, settled, until } from "./lib/setup.mjs";

const money = budget("money", "{usd: 10}");
const cost = (r) => BigInt(r.costNano);
const drain = async (stream) => {
  const events = [];
  for await (const e of stream) events.push(e);
  return events;
};

// One request as it stands on the wire; resolves with the answer.
const raw = (url, { method = "POST", path = "/v1/chat/completions", headers = {}, body = JSON.stringify(chat()) } = {}) =>
  new Promise((resolve, reject) => {
    const q = http.request(`${url}${path}`, { method, headers: { authorization: `Bearer ${CALLER_KEY}`, "content-type": "application/json", ...headers } }, (r) => {
      const parts = [];
      r.on("data", (d) => parts.push(d));
      r.on("end", () => resolve({ status: r.statusCode, headers: r.headers, text: Buffer.concat(parts).toString() }));
      r.on("error", reject);
    });
    q.on("upgrade", () => reject(new Error("upgraded")));
    q.on("error", reject);
    q.end(body);
  });

test("an Anthropic stream that is cut by its budget is billed by what passed, not by the one token of its beginning", async (t) => {
  const s = await setting(t, { budgets: budget("small", "{tokens: 4000}"), plan: () => ({ tokens: 3500 }) });
  const events = await drain(await s.anthropic.messages.create(chat({ stream: true, max_tokens: 3600, thinking: { type: "disabled" } })));
  assert.equal(events.filter((e) => e.type === "message_delta").at(-1).delta.stop_reason, "max_tokens");
  const text = events.filter((e) => e.type === "content_block_delta").length - 1;
  const [r] = await records(s.weir, 1);
  assert.equal(r.outcome, "cut");
  assert.ok(r.usage.outputTokens >= text, `${r.usage.outputTokens} of ${text}`);
});

for (const status of [302, 404, 418, 502])
  test(`an error answer (${status}) that isn't JSON costs nothing`, async (t) => {
    const s = await setting(t, { budgets: money, plan: () => ({ status, body: "<html>no</html>" }), routeExtra: "  retry: {attempts: 1}" });
    assert.equal((await raw(s.weir.url)).status, status);
    const [r] = await records(s.weir, 1);
    assert.equal(cost(r), 0n);
    await settled(s.weir, "money", 0);
  });

test("a provider that compresses an answer unasked can't make it free, and isn't passed on unread", async (t) => {
  const s = await setting(t, { budgets: money });
  const text = zlib.gzipSync(JSON.stringify({ id: "x", object: "chat.completion", choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }));
  const listener = s.mock.server.listeners("request")[0];
  s.mock.server.removeAllListeners("request");
  const seen = [];
  s.mock.server.on("request", (q, r) => {
    seen.push(q.headers["accept-encoding"]);
    q.resume().on("end", () => r.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(text));
  });
  const a = await raw(s.weir.url);
  s.mock.server.on("request", listener);
  assert.equal(a.status, 502);
  assert.deepEqual([...new Set(seen)], ["identity"]);
  const [r] = await records(s.weir, 1);
  assert.ok(cost(r) > 0n);
});

test("what policy says about a header stands alone: a caller's own is replaced", async (t) => {
  const s = await setting(t);
  s.weir.writePolicy(s.policy.replace("  dialect: openai\n", "  dialect: openai\n  headers: {openai-organization: org-policy}\n"));
  await until(async () => {
    await raw(s.weir.url, { headers: { "OpenAI-Organization": "org-caller", connection: "keep-alive, x-hop", "x-hop": "1" } });
    return s.mock.calls.at(-1).headers["openai-organization"] === "org-policy";
  }, "the policy's header alone");
  assert.equal(s.mock.calls.at(-1).headers["x-hop"], undefined);
});

test("what a Connection line names ends at this hop, in requests and in answers", async (t) => {
  const headers = { connection: ["keep-alive, X-Hop-One", "x-hop-two"], "x-hop-one": "1", "x-hop-two": "2", "x-end-to-end": "3" };
  const s = await setting(t, { plan: () => ({ headers }) });
  for (const stream of [false, true]) {
    const r = await raw(s.weir.url, { body: JSON.stringify(chat({ stream })), headers });
    assert.equal(r.status, 200);
    for (const seen of [s.mock.calls.at(-1).headers, r.headers]) {
      assert.equal(seen["x-hop-one"] ?? seen["x-hop-two"], undefined);
      assert.equal(seen["x-end-to-end"], "3");
    }
  }
});

test("an offer of h2c is ignored, as HTTP allows; a WebSocket is refused", async (t) => {
  const s = await setting(t);
  assert.equal((await raw(s.weir.url, { headers: { connection: "upgrade, http2-settings", upgrade: "h2c", "http2-settings": "AAMAAABkAAQCAAAAAAIAAAAA" } })).status, 200);
  assert.equal((await raw(s.weir.url, { method: "GET", body: undefined, headers: { connection: "upgrade", upgrade: "websocket" } })).status, 426);
});

test("a status beyond the classes of HTTP is passed on and breaks nothing", async (t) => {
  const s = await setting(t, { plan: () => ({ status: 799, body: "{}" }), routeExtra: "  retry: {attempts: 1}" });
  assert.equal((await raw(s.weir.url)).status, 799);
  assert.equal((await raw(s.weir.url)).status, 799);
});

test("past a provider's maxConnections a call waits for one, then is told which setting bounds it", async (t) => {
  const { promise: hold, resolve: release } = Promise.withResolvers();
  const s = await setting(t, { plan: (call) => (call.body.max_tokens === 77 ? { hold } : {}), routeExtra: "  retry: {attempts: 1}" });
  const bounded = (connect) => s.weir.writePolicy(s.policy.replaceAll("  credential: {env: MOCK_KEY}", `  credential: {env: MOCK_KEY}\n  maxConnections: 1\n  timeouts: {connect: ${connect}}`));
  const inForce = async () => { const p = (await s.weir.api("/fleet")).proxies[0]; return p.revision === p.targetRevision && p.revision; };
  const first = await inForce();
  bounded("200ms");
  const second = await until(async () => { const r = await inForce(); return r !== first && r; }, "the bound");
  const held = s.openai.chat.completions.create(chat({ max_tokens: 77 }));
  await until(() => s.mock.calls.some((c) => c.body?.max_tokens === 77), "the only connection to be in use");
  const e = await s.openai.chat.completions.create(chat()).then(() => assert.fail("it passed"), (x) => x);
  assert.equal(e.status, 503);
  assert.equal(e.code, "provider_connections_full");
  assert.match(e.message, /oa: all 1 connections to it are in use and none became free in time; its spec\.maxConnections raises that/);

  bounded("30s");
  await until(async () => { const r = await inForce(); return r && r !== second; }, "the longer wait");
  const waiting = s.openai.chat.completions.create(chat());
  await until(async () => /^weir_upstream_waiting 1$/m.test(await s.weir.metrics()), "the call to wait");
  release();
  await Promise.all([held, waiting]);
});

test("a client that leaves while its provider can't be reached pays nothing", async (t) => {
  const s = await setting(t, { budgets: money });
  const mute = net.createServer().listen(0, "127.0.0.1"); // takes connections, and never says a word of TLS
  await once(mute, "listening");
  t.after(() => mute.close());
  mute.on("connection", (c) => t.after(() => c.destroy()));
  s.weir.writePolicy(s.policy.replaceAll(/endpoint: https:\/\/localhost:\d+/g, `endpoint: https://localhost:${mute.address().port}`));
  const revision = (await s.weir.api("/fleet")).proxies[0].revision;
  await until(async () => (await s.weir.api("/fleet")).proxies[0].revision !== revision, "the new policy");
  await assert.rejects(fetch(`${s.weir.url}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${CALLER_KEY}`, "content-type": "application/json" }, body: JSON.stringify(chat()), signal: AbortSignal.timeout(300) }));
  const [r] = await records(s.weir, 1);
  assert.equal(cost(r), 0n);
  await settled(s.weir, "money", 0);
});

test("a kept connection that the provider has closed doesn't use up the only attempt", async (t) => {
  const s = await setting(t, { routeExtra: "  retry: {attempts: 1}", plan: (c, n) => (n === 2 ? { status: "reset" } : {}) });
  assert.equal((await raw(s.weir.url)).status, 200);
  const a = await raw(s.weir.url);
  assert.equal(a.status, 200, a.text);
});

test("a stream with an error event after its first content is recorded as failed", async (t) => {
  const s = await setting(t, { budgets: money });
  s.mock.server.removeAllListeners("request");
  s.mock.server.on("request", (q, r) => q.resume().on("end", () => {
    r.writeHead(200, { "content-type": "text/event-stream" });
    r.write(`data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", choices: [{ index: 0, delta: { content: "lor lor " }, finish_reason: null }] })}\n\n`);
    r.end(`data: ${JSON.stringify({ error: { message: "overloaded", type: "server_error" } })}\n\n`);
  }));
  const a = await raw(s.weir.url, { body: JSON.stringify(chat({ stream: true })) });
  assert.match(a.text, /overloaded/);
  const [r] = await records(s.weir, 1);
  assert.equal(r.outcome, "failed");
  assert.ok(cost(r) > 0n);
});

test("an empty event stream and an endless event are failures in the client's dialect", async (t) => {
  const s = await setting(t, { budgets: money, routeExtra: "  retry: {attempts: 1}" });
  let part = "";
  s.mock.server.removeAllListeners("request");
  s.mock.server.on("request", (q, r) => q.resume().on("end", () => r.writeHead(200, { "content-type": "text/event-stream" }).end(part)));
  assert.equal((await raw(s.weir.url, { body: JSON.stringify(chat({ stream: true })) })).status, 502);
  part = `data: ${"x".repeat(2 << 20)}`;
  assert.equal((await raw(s.weir.url, { body: JSON.stringify(chat({ stream: true })) })).status, 502);
});

test("a key that was issued works all the time while the control plane restarts", async (t) => {
  const s = await setting(t);
  const { key } = await s.weir.api("/keys", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ agent: "tester", id: "extra" }) });
  const call = () => raw(s.weir.url, { headers: { authorization: `Bearer ${key}` } });
  await until(async () => (await call()).status === 200, "the key to work");
  const seen = new Set();
  let running = true;
  const load = (async () => { while (running) seen.add((await call()).status); })();
  for (let i = 0; i < 3; i++) {
    await s.weir.control.stop();
    await s.weir.startControl();
    await until(async () => (await s.weir.api("/fleet")).proxies.some((p) => p.connected !== false && p.revision && p.revision === p.targetRevision), "the proxy to be back");
  }
  running = false;
  await load;
  assert.deepEqual([...seen], [200]);
});

test("counting tokens is free, also where each call has a price", async (t) => {
  const s = await setting(t, { budgets: money });
  s.weir.writePolicy(s.policy.replace("cacheWrite: 0.1875, ", "cacheWrite: 0.1875, request: 0.01, "));
  await until(async () => (await raw(s.weir.url)).headers["x-weir-cost-usd"] > "0.009", "the price of a call");
  assert.equal((await raw(s.weir.url, { path: "/v1/messages/count_tokens", headers: { "anthropic-version": "2023-06-01" } })).status, 200);
  const counted = await until(async () => (await records(s.weir, 1)).find((r) => r.operation === "count_tokens"), "the count's record");
  assert.equal(cost(counted), 0n);
});

test("the built-in provider's stream stays within its holds and goes on when they are extended", async (t) => {
  const s = await setting(t, { budgets: budget("tokens", "{tokens: 100000}") });
  s.weir.writePolicy(s.policy.replaceAll(/dialect: (openai|anthropic)\n  endpoint: \S+\n  credential: {env: MOCK_KEY}\n(  tls: .*\n)?/g, "dialect: echo\n"));
  const text = "lor ".repeat(5000);
  const body = JSON.stringify(chat({ stream: true, max_tokens: 6000, messages: [{ role: "user", content: text }] }));
  await until(async () => (await raw(s.weir.url, { body: JSON.stringify(chat()) })).text.includes("dam"), "the echo provider");
  const a = await raw(s.weir.url, { body });
  const got = a.text.split("\n").filter((l) => l.startsWith("data: {")).map((l) => JSON.parse(l.slice(6)).choices[0]?.delta?.content ?? "").join("");
  assert.equal(got, text);
});

test("a call outlives the policy that it began with: its agent, route and provider may be gone", async (t) => {
  let release;
  const hold = new Promise((r) => (release = r));
  const s = await setting(t, { budgets: money, plan: (c) => (c.body.stream ? { tokens: 3000, holdAfter: [5, hold] } : {}) });
  const stream = await s.openai.chat.completions.create(chat({ stream: true, max_tokens: 3500 }));
  const it = stream[Symbol.asyncIterator]();
  await it.next();
  s.weir.writePolicy(s.policy.replaceAll("name: tester", "name: somebody").replaceAll("[{id: tester-key", "[{id: other-key").replaceAll(/sha256: \w+/g, `sha256: ${"0".repeat(64)}`));
  await until(async () => (await raw(s.weir.url)).status === 401, "the new policy");
  release();
  let n = 1;
  while (!(await it.next()).done) n++;
  assert.ok(n > 3000);
  await settled(s.weir, "money", s.mock.bill);
});

test("a client that leaves while an extension of its holds is awaited is settled once", async (t) => {
  const s = await setting(t, { budgets: budget("tokens", "{tokens: 1000000}"), plan: () => ({ tokens: 30000 }) });
  for (let i = 0; i < 10; i++) {
    const stream = await s.openai.chat.completions.create(chat({ stream: true, max_tokens: 40000 }));
    let n = 0;
    for await (const _ of stream) if (++n === 100 * (i + 1)) break; // ends the connection
    await s.mock.calls.at(-1).closed;
  }
  const list = await records(s.weir, 10);
  const sum = list.reduce((n, r) => n + BigInt(r.usage.inputTokens) + BigInt(r.usage.outputTokens), 0n);
  await settled(s.weir, "tokens", sum);
});
