// Usage in streams, disconnects and fallback: cases S-01 to S-07, S-11, S-18, F-01, F-05.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CALLER_KEY, budget, chat, records, setting, settled } from "./lib/setup.mjs";

const money = budget("money", "{usd: 10}");
const cost = (r) => BigInt(r.costNano);
async function drain(stream) {
  const events = [];
  for await (const e of stream) events.push(e);
  return events;
}

for (const dialect of ["openai", "anthropic"]) {
  const begin = (s, extra) => (dialect === "openai" ? s.openai.chat.completions.create(chat({ stream: true, ...extra })) : s.anthropic.messages.create(chat({ stream: true, ...extra })));

  test(`S-01, S-04: ${dialect}: an abort at every event is settled, never zero`, async (t) => {
    let release, at = 0;
    const s = await setting(t, { budgets: money, plan: () => ({ tokens: 6, holdAfter: [at, new Promise((r) => (release = r))] }) });
    for (at = 1; at < 8; at++) {
      const stream = await begin(s);
      const call = s.mock.calls.at(-1);
      setTimeout(() => stream.controller.abort(), 20);
      await drain(stream).catch(() => {});
      await call.closed;
      release();
    }
    const list = await records(s.weir, 7);
    for (const r of list) assert.ok(cost(r) > 0n, JSON.stringify(r));
    const sum = list.reduce((n, r) => n + cost(r), 0n);
    await settled(s.weir, "money", sum);
  });

  test(`S-05: ${dialect}: an explicit zero usage is an answer, not an absence`, async (t) => {
    const s = await setting(t, { budgets: money, plan: () => ({ usage: "zero" }) });
    await drain(await begin(s));
    const [r] = await records(s.weir, 1);
    assert.equal(cost(r), 0n);
    await settled(s.weir, "money", 0);
  });

  test(`S-13: ${dialect}: a stream without usage is settled by what was counted, and marked`, async (t) => {
    const s = await setting(t, { budgets: money, plan: () => ({ usage: "absent" }) });
    await drain(await begin(s));
    const [r] = await records(s.weir, 1);
    assert.ok(cost(r) > 0n);
    assert.equal(r.usage.estimated, true);
  });

  test(`S-11: ${dialect}: the first piece reaches the client before the provider has ended`, async (t) => {
    let release;
    const s = await setting(t, { plan: () => ({ tokens: 5, holdAfter: [5, new Promise((r) => (release = r))] }) });
    const it = (await begin(s))[Symbol.asyncIterator]();
    const first = await it.next();
    assert.ok(first.value);
    release();
    while (!(await it.next()).done);
  });

  test(`split anywhere: ${dialect}: a stream that arrives byte by byte is the same stream`, async (t) => {
    const s = await setting(t, { budgets: money, plan: () => ({ tokens: 8, split: 1 }) });
    const events = await drain(await begin(s));
    s.mock.plan = () => ({ tokens: 8 });
    assert.deepEqual(events, await drain(await begin(s)));
    await settled(s.weir, "money", s.mock.bill);
  });

  test(`F-01: ${dialect}: a break before the first content is tried again; after it the stream ends with the dialect's error`, async (t) => {
    const early = dialect === "openai" ? 1 : 2;
    const s = await setting(t, { plan: (c, n) => (n === 1 ? { cutAfter: early } : n === 3 ? { tokens: 9, cutAfter: 6 } : {}) });
    const whole = await drain(await begin(s));
    assert.ok(whole.length > 5);
    if (dialect === "anthropic") assert.equal(whole.filter((e) => e.type === "message_start").length, 1, "F-03");
    assert.equal(s.mock.calls.length, 2);
    await assert.rejects(async () => drain(await begin(s)), /broke off|ended|error/i);
    assert.equal(s.mock.calls.length, 3);
  });

  test(`long silence: ${dialect}: a stream that pauses is kept alive, before its content and in it; the SDK sees nothing of that`, async (t) => {
    for (const events of [0, 6]) {
      let release;
      const silence = new Promise((r) => (release = r));
      const s = await setting(t, { plan: () => ({ tokens: 9, holdAfter: [events, silence] }), proxyArgs: ["--stream-keepalive-ms", "200"] });
      const path = dialect === "openai" ? "chat/completions" : "messages";
      const res = await fetch(`${s.weir.url}/v1/${path}`, {
        method: "POST", body: JSON.stringify(chat({ stream: true })),
        headers: { "content-type": "application/json", authorization: `Bearer ${CALLER_KEY}`, "anthropic-version": "2023-06-01" },
      });
      let text = "", alive = 0;
      for await (const chunk of res.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        alive = text.split(dialect === "openai" ? ": keep-alive\n\n" : "event: ping\n").length - 1;
        if (alive >= (dialect === "openai" ? 3 : 5)) release(); // Anthropic's own stream has a ping
      }
      assert.match(text, dialect === "openai" ? /\[DONE\]\n\n$/ : /message_stop/);
      const whole = drain(await begin(s));
      release();
      assert.ok((await whole).length > 9);
    }
  });

  test(`F-05: ${dialect}: a caller that wants no fallback gets none`, async (t) => {
    const s = await setting(t, { plan: () => ({ status: 503 }) });
    const client = dialect === "openai" ? s.openai.chat.completions : s.anthropic.messages;
    await assert.rejects(client.create(chat(), { headers: { "x-weir-no-fallback": "true" } }), (e) => e.status === 503);
    assert.equal(s.mock.calls.length, 1);
  });
}

test("S-06: usage in a frame with choices is read", async (t) => {
  const s = await setting(t, { budgets: money, plan: () => ({ usageWithChoices: true }) });
  await drain(await s.openai.chat.completions.create(chat({ stream: true })));
  await settled(s.weir, "money", s.mock.bill);
});

test("F-06: 529 goes straight to the next target", async (t) => {
  const s = await setting(t, { plan: (c, n) => (n === 1 ? { status: 529 } : {}) });
  const m = await s.anthropic.messages.create(chat());
  assert.equal(m.content[0].text, "lor ".repeat(10));
  assert.equal(s.mock.calls.length, 2);
});

test("a connection that the provider resets is tried again; the answer says how often", async (t) => {
  const s = await setting(t, { plan: (c, n) => (n === 1 ? { status: "reset" } : {}) });
  const { response } = await s.openai.chat.completions.create(chat()).withResponse();
  assert.equal(response.headers.get("x-weir-attempts"), "2");
});
