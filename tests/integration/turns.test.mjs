// A provider that takes so many calls at once (Provider spec.maxConcurrency): who waits, who is next, and who gives up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { agent, budget, chat, clients, Mock, prices, provider, records, route, settled, until, Weir } from "./lib/setup.mjs";

const OTHER_KEY = "weir_sk_other_7f";

// One provider with `places`; its calls end one by one, as the test says.
async function narrow(t, { places = 1, connect = "10s", groups = [["p"]], more = "", proxyArgs } = {}) {
  const waiting = [];
  const mock = await new Mock({ plan: () => ({ hold: new Promise((done) => waiting.push(done)) }) }).start();
  t.after(() => { for (const done of waiting) done(); });
  t.after(() => mock.stop());
  const extra = `  maxConcurrency: ${places}\n  timeouts: {connect: ${connect}}`;
  const policy = prices + agent("tester") + agent("other", { key: OTHER_KEY }) + provider("p", "openai", mock.url, { extra }) + route("all", groups) + budget("money", "{usd: 1}") + more;
  const weir = await Weir.start(t, { policy, proxyArgs });
  const mine = clients(weir.url).openai, theirs = clients(weir.url, OTHER_KEY).openai;
  const ask = (client, name, options) => client.chat.completions.create(chat({ messages: [{ role: "user", content: name }] }), options).then(() => "ok", (e) => e);
  const order = () => mock.calls.map((c) => c.body.messages[0].content);
  const arrived = (n) => until(() => mock.calls.length === n, `${n} calls at the provider`);
  const wait = (n) => until(async () => (await weir.metrics()).match(/^weir_turns_waiting (\d+)$/m)?.[1] === String(n), `${n} calls to wait`);
  return { mock, weir, mine, theirs, ask, order, arrived, wait, finish: () => waiting.shift()() };
}

test("maxConcurrency: no more than so many are under way at a provider, and all are served", async (t) => {
  const s = await narrow(t, { places: 3 });
  const all = Array.from({ length: 12 }, (_, i) => s.ask(s.mine, `c${i}`));
  for (let served = 0; served < 12; served++) {
    await s.arrived(Math.min(12, served + 3));
    s.finish();
  }
  assert.deepEqual(await Promise.all(all), Array(12).fill("ok"));
  await settled(s.weir, "money", s.mock.bill);
});

test("maxConcurrency: agents take turns, so that one with many calls doesn't keep another waiting", async (t) => {
  const s = await narrow(t);
  const all = [s.ask(s.mine, "a0")];
  await s.arrived(1);
  for (let i = 1; i <= 5; i++) {
    all.push(s.ask(s.mine, `a${i}`));
    await s.wait(i);
  }
  for (let i = 1; i <= 2; i++) {
    all.push(s.ask(s.theirs, `b${i}`));
    await s.wait(5 + i);
  }
  for (let n = 1; n <= 8; n++) {
    await s.arrived(n);
    s.finish();
  }
  assert.deepEqual(await Promise.all(all), Array(8).fill("ok"));
  assert.deepEqual(s.order(), ["a0", "a1", "b1", "a2", "b2", "a3", "a4", "a5"]);
});

test("maxConcurrency: who waits too long is told so and pays nothing, and another target is tried first", async (t) => {
  const s = await narrow(t, { connect: "200ms" });
  const first = s.ask(s.mine, "first");
  await s.arrived(1);
  const e = await s.ask(s.mine, "late");
  assert.equal(e.status, 503);
  assert.equal(e.code, "provider_busy");
  assert.match(e.message, /spec\.maxConcurrency/);
  assert.equal(s.mock.calls.length, 1);
  s.finish();
  assert.equal(await first, "ok");
  await settled(s.weir, "money", s.mock.bill);

  const spare = await narrow(t, { connect: "200ms", groups: [["p"], ["spare"]], more: "\napiVersion: weir.dev/v1alpha1\nkind: Provider\nmetadata: {name: spare}\nspec: {dialect: echo}\n---" });
  const held = spare.ask(spare.mine, "first");
  await spare.arrived(1);
  const { response } = await spare.mine.chat.completions.create(chat()).withResponse();
  assert.equal(response.headers.get("x-weir-provider"), "spare");
  spare.finish();
  assert.equal(await held, "ok");
});

test("maxConcurrency: a caller that leaves makes room, whether it waited or was served", async (t) => {
  const s = await narrow(t);
  const gone = new AbortController(), served = new AbortController();
  const first = s.ask(s.mine, "served", { signal: served.signal });
  await s.arrived(1);
  const second = s.ask(s.mine, "gone", { signal: gone.signal });
  await s.wait(1);
  const third = s.ask(s.theirs, "third");
  await s.wait(2);
  gone.abort();
  await second;
  await s.wait(1);
  served.abort();
  await first;
  await s.arrived(2);
  s.finish();
  s.finish();
  assert.equal(await third, "ok");
  assert.deepEqual(s.order(), ["served", "third"]);
  assert.deepEqual((await records(s.weir, 3)).map((r) => r.outcome).sort(), ["aborted", "aborted", "ok"]);
});
