// HTTP/2 by prior knowledge on the proxy's plain port, as the AWS SDK speaks it: the same calls, refusals and ends as over HTTP/1.1.
import assert from "node:assert/strict";
import fs from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { begin, connect, whole } from "./lib/h2.mjs";
import { CALLER_KEY, budget, chat, records, setting, settled, until } from "./lib/setup.mjs";

const money = budget("money", "{usd: 10}");

test("a call and a stream over HTTP/2 are what they are over HTTP/1.1", async (t) => {
  const { weir, mock, openai } = await setting(t, { budgets: money });
  const session = await connect(t, weir.url);
  const plain = await openai.chat.completions.create(chat());
  const a = await whole(session, chat());
  assert.equal(a.status, 200, a.text);
  assert.equal(JSON.parse(a.text).choices[0].message.content, plain.choices[0].message.content);
  assert.equal(a.head["transfer-encoding"], undefined);
  assert.equal(a.head.connection, undefined);
  assert.deepEqual(mock.calls[1].raw, mock.calls[0].raw);
  const b = await whole(session, chat({ stream: true }));
  assert.match(b.head["content-type"], /^text\/event-stream/);
  assert.ok(b.text.endsWith("data: [DONE]\n\n"), b.text.slice(-100));
  const models = session.request({ ":path": "/v1/models", authorization: `Bearer ${CALLER_KEY}` });
  assert.equal((await once(models, "response"))[0][":status"], 200);
  models.close();
  await settled(weir, "money", mock.bill);
  assert.deepEqual(mock.problems, []);
});

test("20 streams on one connection run at once, and one that is held holds no other", async (t) => {
  let release;
  const hold = new Promise((r) => (release = r));
  const { weir, mock } = await setting(t, { budgets: money, plan: (call, n) => (n === 1 ? { holdAfter: [3, hold] } : { tokens: n, holdAfter: [4, until(() => mock.calls.length === 20, "all to have come")] }) });
  const session = await connect(t, weir.url);
  const first = whole(session, chat({ stream: true }));
  await until(() => mock.calls.length === 1, "the first call");
  const rest = await Promise.all(Array.from({ length: 19 }, () => whole(session, chat({ stream: true }))));
  for (const r of rest) assert.ok(r.status === 200 && r.text.endsWith("data: [DONE]\n\n"));
  release();
  assert.ok((await first).text.endsWith("data: [DONE]\n\n"));
  await settled(weir, "money", mock.bill);
});

test("a stream that the client resets is an abort: the provider's call ends, the budget settles, the connection stays", async (t) => {
  let release;
  const { weir, mock } = await setting(t, { budgets: money, plan: (call, n) => (n === 1 ? { tokens: 8, holdAfter: [4, new Promise((r) => (release = r))] } : {}) });
  const session = await connect(t, weir.url);
  const a = begin(session, chat({ stream: true }));
  await a.head;
  await once(a.stream, "data");
  a.stream.close(http2.constants.NGHTTP2_CANCEL);
  await mock.calls[0].closed;
  release();
  assert.equal((await whole(session, chat())).status, 200);
  const list = await records(weir, 2);
  const cost = (r) => BigInt(r.costNano);
  for (const r of list) assert.ok(cost(r) > 0n, JSON.stringify(r));
  await settled(weir, "money", list.reduce((n, r) => n + cost(r), 0n));
});

test("refusals: no key, a body over the limit, too many headers, no JSON, an unknown method, all on a connection that goes on", async (t) => {
  const { weir } = await setting(t, { proxyArgs: ["--max-body-bytes", "100000"] });
  const session = await connect(t, weir.url);
  assert.equal((await whole(session, chat(), { authorization: "Bearer nobody" })).status, 401);
  const big = begin(session, Buffer.alloc(3_000_000, 32));
  big.stream.on("error", () => {});
  assert.equal((await big.head)[":status"], 413);
  big.stream.close();
  const told = begin(session, undefined, { "content-length": 3_000_000 });
  told.stream.on("error", () => {});
  assert.equal((await told.head)[":status"], 413);
  told.stream.close();
  const list = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-${i}`, "1"]));
  assert.equal((await whole(session, chat(), list)).status, 431);
  assert.equal((await whole(session, "{")).status, 400);
  assert.equal((await whole(session, chat(), { ":method": "TELEPORT" })).status, 501);
  assert.equal((await whole(session, chat())).status, 200);
});

test("a client that doesn't read stops its provider, and the proxy's memory stays", async (t) => {
  const word = `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "mock-small", choices: [{ index: 0, delta: { content: "a".repeat(16000) }, logprobs: null, finish_reason: null }] })}\n\n`;
  let sent = 0;
  const events = { length: 4000, *[Symbol.iterator]() { for (; sent < 4000; sent++) yield { text: word, tokens: 1 }; yield { text: "data: [DONE]\n\n" }; } };
  const { weir, mock } = await setting(t, { plan: (call) => (call.body.stream ? { events } : {}) });
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${weir.proxies[0].proc.child.pid}/status`, "utf8"))[1]);
  const session = await connect(t, weir.url);
  await whole(session, chat());
  const before = rss();
  const a = begin(session, chat({ stream: true }));
  await a.head;
  let last = -1;
  await until(async () => {
    const still = sent === last && sent > 0;
    last = sent;
    await new Promise((r) => setTimeout(r, 300));
    return still && sent === last;
  }, "the provider to stand still");
  assert.ok(sent < 2000, `${sent} of 4000 pieces were taken`);
  assert.ok(rss() - before < 12_000, `${rss() - before} KiB more`);
  assert.equal((await whole(session, chat())).status, 200);
  a.stream.close();
  await mock.calls.find((c) => c.body.stream).closed;
});

test("malformed frames and floods end their own connection, and no other", async (t) => {
  const { weir } = await setting(t);
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const frame = (type, flags, id, body = Buffer.alloc(0)) => {
    const h = Buffer.alloc(9);
    h.writeUIntBE(body.length, 0, 3);
    h[3] = type;
    h[4] = flags;
    h.writeUInt32BE(id, 5);
    return Buffer.concat([h, body]);
  };
  const settings = frame(4, 0, 0);
  const table = [
    ["a wrong second half of the preface", Buffer.from("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")],
    ["no settings", Buffer.concat([preface, frame(6, 0, 0, Buffer.alloc(8))])],
    ["a frame that is too large", Buffer.concat([preface, settings, Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])])],
    ["DATA on stream 0", Buffer.concat([preface, settings, frame(0, 0, 0, Buffer.from("x"))])],
    ["a broken header block", Buffer.concat([preface, settings, frame(1, 5, 1, Buffer.alloc(40, 0xff))])],
    ["a window that overflows", Buffer.concat([preface, settings, frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff]))])],
    ["CONTINUATION without end", Buffer.concat([preface, settings, frame(1, 0, 1, Buffer.from([0x82])), ...Array.from({ length: 50 }, () => frame(9, 0, 1))])],
    ["a flood of PING", Buffer.concat([preface, settings, ...Array.from({ length: 20_000 }, () => frame(6, 0, 0, Buffer.alloc(8)))])],
    ["a flood of SETTINGS", Buffer.concat([preface, settings, ...Array.from({ length: 20_000 }, () => settings)])],
    ["rapid reset", Buffer.concat([preface, settings, ...Array.from({ length: 2000 }, (_, i) => Buffer.concat([frame(1, 5, 2 * i + 1, Buffer.from([0x82, 0x84, 0x86, 0x41, 1, 0x61])), frame(3, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8]))]))])],
  ];
  const session = await connect(t, weir.url);
  for (const [name, bytes] of table) {
    await t.test(name, async () => {
      const s = net.connect(weir.proxies[0].port, "127.0.0.1");
      s.on("error", () => {});
      s.resume();
      s.write(bytes);
      await once(s, "close");
      assert.equal((await whole(session, chat())).status, 200);
    });
  }
});

test("SIGTERM drains: an open stream ends whole, the client is told by GOAWAY, the process ends with 0", async (t) => {
  let release;
  const { weir } = await setting(t, { plan: () => ({ tokens: 12, holdAfter: [6, new Promise((r) => (release = r))] }) });
  const session = await connect(t, weir.url);
  const told = once(session, "goaway");
  const a = begin(session, chat({ stream: true }));
  a.stream.on("data", (d) => (a.text += d));
  await a.head;
  weir.proxies[0].proc.child.kill("SIGTERM");
  assert.equal((await told)[0], http2.constants.NGHTTP2_NO_ERROR);
  release();
  if (!a.stream.closed) await once(a.stream, "close");
  assert.ok(a.text.endsWith("data: [DONE]\n\n"), a.text.slice(-200));
  const { code } = await weir.proxies[0].proc.exited;
  assert.equal(code, 0, weir.proxies[0].proc.output.slice(-2000));
});
