// A table of bad inputs with the answer to each; after every one of them the proxy still serves.
import assert from "node:assert/strict";
import net from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import zlib from "node:zlib";
import { CALLER_KEY, chat, setting, until } from "./lib/setup.mjs";

const good = JSON.stringify(chat());
const head = (extra = "", path = "/v1/chat/completions") => `POST ${path} HTTP/1.1\r\nHost: weir\r\nAuthorization: Bearer ${CALLER_KEY}\r\n${extra}`;
const withBody = (body, extra = "", path) => `${head(extra, path)}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

async function raw(port, bytes) {
  const s = net.connect(port, "127.0.0.1");
  await once(s, "connect");
  let text = "";
  s.on("data", (d) => (text += d.toString("latin1")));
  s.on("error", () => {});
  s.write(bytes);
  await new Promise((resolve) => {
    s.on("close", resolve);
    s.on("data", () => /\r\n\r\n/.test(text) && complete(text) && resolve());
  });
  s.destroy();
  return { status: Number(text.split(" ")[1]), text };
}
function complete(text) {
  const [h, ...rest] = text.split("\r\n\r\n");
  const n = /content-length: (\d+)/i.exec(h);
  return n ? rest.join("\r\n\r\n").length >= Number(n[1]) : true;
}

const table = [
  ["no HTTP at all", "\x16\x03\x01\x02\x00garbage\r\n\r\n", 400],
  ["HTTP/2 preface behind a line break", "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
  ["HTTP/3.0", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505],
  ["two content-lengths", `${head()}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, 400],
  ["content-length and chunked", `${head()}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ["transfer-encoding gzip", `${head()}Transfer-Encoding: gzip\r\n\r\n`, [400, 501]],
  ["negative content-length", `${head()}Content-Length: -1\r\n\r\n`, 400],
  ["no host", `POST /v1/chat/completions HTTP/1.1\r\n\r\n`, 400],
  ["two hosts", `POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`, 400],
  ["NUL in a header", `${head("X-A: a\0b\r\n")}\r\n`, 400],
  ["header folded", `${head("X-A: a\r\n b\r\n")}Content-Length: 0\r\n\r\n`, 400],
  ["header of 100 KB", `${head(`X-A: ${"a".repeat(100_000)}\r\n`)}\r\n`, 431],
  ["300 headers", `${head(Array.from({ length: 300 }, (_, i) => `X-${i}: 1\r\n`).join(""))}\r\n`, 431],
  ["target of 20 KB", `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  ["unknown content-encoding", withBody(good, "Content-Encoding: rot13\r\n"), 415],
  ["broken gzip", withBody("this is no gzip", "Content-Encoding: gzip\r\n"), 400],
  ["expectation", withBody(good, "Expect: miracles\r\n"), 417],
  ["body too large", `${head()}Content-Length: 99999999999\r\n\r\n`, 413],
  ["empty body", withBody(""), 400],
  ["body is no JSON", withBody("model=gpt"), 400],
  ["JSON cut in the middle", withBody(good.slice(0, -5)), 400],
  ["body is a list", withBody("[1,2]"), 400],
  ["bad UTF-8", Buffer.concat([Buffer.from(`${head()}Content-Length: 12\r\n\r\n{"model":"`), Buffer.from([0xff, 0x22])]), 400],
  ["no model", withBody('{"messages":[]}'), 400],
  ["model is a number", withBody('{"model":7,"messages":[]}'), 400],
  ["two models", withBody('{"model":"mock-small","model":"mock-large","messages":[]}'), 400],
  ["1,000 levels", withBody(`{"model":"mock-small","messages":${"[".repeat(1000)}${"]".repeat(1000)}}`), 400],
  ["unknown path", withBody(good, "", "/v1/teleport"), 404],
  ["GET where POST belongs", `GET /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${CALLER_KEY}\r\n\r\n`, 405],
  ["WebSocket", `GET /v1/responses HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n`, 426],
];

test("bad input gets a clear answer, and the proxy goes on", async (t) => {
  const s = await setting(t);
  const port = s.weir.proxies[0].port;
  for (const [name, bytes, want] of table) {
    await t.test(name, async () => {
      const { status, text } = await raw(port, bytes);
      assert.ok([want].flat().includes(status), `${name}: got ${text.slice(0, 300)}`);
      if (/content-type: application\/json/i.test(text)) assert.ok(JSON.parse(text.split("\r\n\r\n").slice(1).join("\r\n\r\n")).error.message.length > 3);
      await s.openai.chat.completions.create(chat());
    });
  }
});

test("a malformed body's error gives the position, in either dialect", async (t) => {
  const { weir } = await setting(t);
  const post = (path) => fetch(weir.url + path, { method: "POST", headers: { "x-api-key": CALLER_KEY }, body: '{"model":"mock-small", oops' });
  const a = await (await post("/v1/chat/completions")).json();
  assert.match(a.error.message, /2[23]/);
  const b = await (await post("/v1/messages")).json();
  assert.equal(b.type, "error");
  assert.equal(b.error.type, "invalid_request_error");
});

test("request bodies may be gzip, br, zstd or chunked; a bomb is refused", async (t) => {
  const { weir, mock } = await setting(t);
  const send = (body, encoding) => fetch(`${weir.url}/v1/chat/completions`, { method: "POST", duplex: "half", headers: { authorization: `Bearer ${CALLER_KEY}`, ...(encoding && { "content-encoding": encoding }) }, body });
  for (const [encoding, body] of [["gzip", zlib.gzipSync(good)], ["br", zlib.brotliCompressSync(good)], ["deflate", zlib.deflateSync(good)], ...(zlib.zstdCompressSync ? [["zstd", zlib.zstdCompressSync(Buffer.from(good))]] : [])]) {
    assert.equal((await send(body, encoding)).status, 200, encoding);
    assert.equal(mock.calls.at(-1).raw.toString(), good, encoding);
    assert.equal(mock.calls.at(-1).headers["content-encoding"], undefined);
  }
  const pieces = new ReadableStream({ start(c) { for (const b of Buffer.from(good)) c.enqueue(new Uint8Array([b])); c.close(); } });
  assert.equal((await send(pieces)).status, 200);
  assert.equal((await send(zlib.gzipSync(Buffer.alloc(64 << 20)), "gzip")).status, 413);
});

test("pipelined requests: the first is answered, the connection closes, nothing is mixed", async (t) => {
  const { weir } = await setting(t);
  const s = net.connect(weir.proxies[0].port, "127.0.0.1");
  let text = "";
  s.on("data", (d) => (text += d));
  s.write(withBody(good) + withBody(good));
  await once(s, "close");
  assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 1);
  assert.match(text, /connection: close/i);
});

test("Expect: 100-continue is answered before the body", async (t) => {
  const { weir } = await setting(t);
  const s = net.connect(weir.proxies[0].port, "127.0.0.1");
  let text = "";
  s.on("data", (d) => (text += d));
  s.write(`${head("Expect: 100-continue\r\n")}Content-Length: ${good.length}\r\n\r\n`);
  await once(s, "data");
  assert.match(text, /^HTTP\/1\.1 100/);
  s.write(good);
  while (!/HTTP\/1\.1 200/.test(text)) await once(s, "data");
  s.destroy();
});

test("bodies that together take more than they may get a 503 in the client's dialect, and room comes back", async (t) => {
  let release;
  const hold = new Promise((r) => (release = r));
  const big = "a".repeat(600_000);
  const { weir, mock, openai, anthropic } = await setting(t, {
    plan: (call) => (call.body.messages[0].content === big ? { hold } : {}), proxyArgs: ["--max-body-bytes", "700000", "--max-body-memory", "1100000"],
  });
  const message = (content) => chat({ messages: [{ role: "user", content }] });
  const held = openai.chat.completions.create(message(big));
  await until(() => mock.calls.length === 1, "the first body to be held");
  const refusal = async (p) => {
    const e = await p.then(() => assert.fail("it passed"), (x) => x);
    assert.equal(e.status, 503);
    assert.match(e.message, /Too many request bodies are held here at once/);
    assert.equal(e.headers.get("retry-after"), "1");
    return e;
  };
  assert.equal((await refusal(openai.chat.completions.create(message("b".repeat(600_000))))).code, "body_memory_full");
  const e = await refusal(anthropic.messages.create(message("b".repeat(600_000))));
  assert.equal(e.error.type, "error", "in Anthropic's shape");
  await openai.chat.completions.create(chat());
  const metric = async (name) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(await weir.metrics())[1]);
  await until(async () => (await metric("weir_request_bodies_refused_total")) === 2 && (await metric("weir_request_body_bytes")) > 600_000, "the numbers");
  let resume;
  const silent = new Promise((r) => (resume = r)), large = "d".repeat(300_000);
  mock.plan = () => ({ tokens: 12, holdAfter: [6, silent] });
  const stream = await openai.chat.completions.create({ ...message(large), stream: true });
  let text = "";
  for await (const e of stream) {
    text += e.choices[0]?.delta.content ?? "";
    if (text.length < 16) continue;
    await until(async () => { const n = await metric("weir_request_body_bytes"); return n > 600_000 && n < 700_000; }, "the silent stream's request to be given back");
    resume();
  }
  assert.equal(text, "lor ".repeat(12));
  const { id } = await until(async () => (await weir.api("/calls?limit=50&since=1h")).items.find((r) => r.stream), "its record");
  assert.ok((await weir.api(`/calls/${id}`)).requestBytes > 300_000);
  mock.plan = () => ({});
  release();
  await held;
  await until(async () => (await metric("weir_request_body_bytes")) === 0, "the room to be free again");
  await openai.chat.completions.create(message("c".repeat(600_000)));
});
