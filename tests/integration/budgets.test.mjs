// Budgets that cannot be overspent: cases B-01 to B-29 of the acceptance list that concern one control plane.
import assert from "node:assert/strict";
import { test } from "node:test";
import { agent, budget, chat, clients, records, setting, settled, spend, until } from "./lib/setup.mjs";

const outcome = (p) => p.then(() => "ok", (e) => e);
const many = (n, fn) => Promise.all(Array.from({ length: n }, (_, i) => outcome(fn(i))));

test("B-01: 64 clients on a budget that admits 20 calls: exactly 20 pass, on one proxy", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("calls", "{requests: 20}") });
  const results = await many(64, () => openai.chat.completions.create(chat()));
  assert.equal(results.filter((r) => r === "ok").length, 20);
  for (const e of results.filter((r) => r !== "ok")) assert.equal(e.status, 402, String(e));
  assert.equal(mock.calls.length, 20);
  await settled(weir, "calls", 20);
});

test("B-13: 64 clients on a budget that admits 20 calls: exactly 20 pass, on three proxies", async (t) => {
  const { mock, weir } = await setting(t, { budgets: budget("calls", "{requests: 20}"), proxies: 3 });
  const each = weir.proxies.map((p) => clients(p.url).openai);
  const results = await many(64, (i) => each[i % 3].chat.completions.create(chat()));
  assert.equal(results.filter((r) => r === "ok").length, 20);
  assert.equal(mock.calls.length, 20);
  await settled(weir, "calls", 20);
});

test("B-21: a dollar budget is not overspent by calls in flight, and what was refused cost nothing", async (t) => {
  // One call holds at most its input bound and 100 tokens of output; the limit is a few of those.
  let release, refused = 0;
  const hold = new Promise((r) => (release = r));
  const { mock, weir, openai } = await setting(t, { budgets: budget("money", "{usd: 0.0015}"), plan: () => ({ hold }) });
  const all = many(40, () => openai.chat.completions.create(chat()).catch((e) => { refused++; throw e; }));
  await until(() => mock.calls.length + refused === 40, "every call to be under way or refused");
  release();
  const results = await all;
  const limit = 1_500_000n;
  assert.ok(mock.bill <= limit, `${mock.bill} of ${limit}`);
  assert.ok(results.some((r) => r === "ok"));
  assert.ok(results.some((r) => r.status === 402));
  await settled(weir, "money", mock.bill);
});

test("B-03, B-05: 10,000 calls with mixed endings: the ledger equals the mock's bill to the nano-dollar", async (t) => {
  const plans = [{}, { tokens: 37 }, { toolCall: { name: "x", args: { a: 1 } } }, { cacheRead: 3 }, { status: 500 }, { status: 400 }];
  const { mock, weir, openai, anthropic } = await setting(t, {
    budgets: budget("money", "{usd: 100}") + budget("tokens", "{tokens: 100000000}") + budget("calls", "{requests: 1000000}"),
    plan: (call, n) => plans[n % plans.length],
    routeExtra: "  retry: {attempts: 1}",
  });
  for (let round = 0; round < 625; round++)
    await many(16, (i) => {
      const client = i % 2 ? openai.chat.completions : anthropic.messages;
      if (i % 4 < 2) return client.create(chat());
      return client.create(chat({ stream: true })).then(async (s) => { for await (const _ of s); });
    });
  await until(async () => (await spend(weir)).calls === 10_000, "10,000 records", 60_000);
  await settled(weir, "money", mock.bill);
  await settled(weir, "calls", 10_000);
  assert.equal(BigInt((await spend(weir)).costNano), mock.bill);
});

test("B-11: without a budget nothing is ever refused", async (t) => {
  const { openai } = await setting(t);
  assert.deepEqual([...new Set(await many(50, () => openai.chat.completions.create(chat())))], ["ok"]);
});

test("B-26: a limit of 0 blocks", async (t) => {
  const { mock, openai, anthropic } = await setting(t, { budgets: budget("none", "{usd: 0}") });
  const a = await outcome(openai.chat.completions.create(chat()));
  const b = await outcome(anthropic.messages.create(chat()));
  assert.equal(a.status, 402);
  assert.match(a.message, /default\/none/);
  assert.equal(b.status, 402);
  assert.equal(mock.calls.length, 0);
});

test("B-08: the cap blocks in every entry path: both dialects, streaming or not", async (t) => {
  const { mock, openai, anthropic } = await setting(t, { budgets: budget("two", "{requests: 2}") });
  await openai.chat.completions.create(chat());
  await anthropic.messages.create(chat());
  for (const stream of [false, true]) {
    assert.equal((await outcome(openai.chat.completions.create(chat({ stream })))).status, 402);
    assert.equal((await outcome(anthropic.messages.create(chat({ stream })))).status, 402);
  }
  assert.equal(mock.calls.length, 2);
});

test("B-20: a token limit moves by the tokens of the answer, not by one", async (t) => {
  const { weir, mock, openai } = await setting(t, { budgets: budget("tokens", "{tokens: 1000000}"), plan: () => ({ tokens: 150 }) });
  await openai.chat.completions.create(chat({ max_tokens: 200 }));
  await settled(weir, "tokens", mock.calls[0].usage.input + 150);
});

test("B-27, B-28: tokens per minute are reserved before, and counted in both directions, stream or not", async (t) => {
  const { mock, openai } = await setting(t, { budgets: budget("tpm", "{tokens: 3000}", { window: "minute" }), plan: () => ({ tokens: 100 }) });
  const results = await many(30, (i) => {
    const p = openai.chat.completions.create(chat({ max_tokens: 100, stream: i % 2 === 0 }));
    return i % 2 ? p : p.then(async (s) => { for await (const _ of s); });
  });
  const used = mock.calls.reduce((n, c) => n + (c.usage ? c.usage.input + c.usage.output : 0), 0);
  assert.ok(used <= 3000, `${used} tokens`);
  const refused = results.filter((r) => r !== "ok");
  assert.ok(refused.length > 0);
  for (const e of refused) {
    assert.equal(e.status, 429);
    assert.ok(Number(e.headers.get("retry-after")) > 0);
  }
});

test("B-07: the first concurrent calls of an unknown agent don't skip its default budget", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("each", "{requests: 5}", { extra: "  per: [agent]" }), more: agent("other", { key: "weir_sk_other" }) });
  const other = clients(weir.url, "weir_sk_other").openai;
  const [a, b] = await Promise.all([many(20, () => openai.chat.completions.create(chat())), many(20, () => other.chat.completions.create(chat()))]);
  assert.equal(a.filter((r) => r === "ok").length, 5);
  assert.equal(b.filter((r) => r === "ok").length, 5);
  assert.equal(mock.calls.length, 10);
});

test("B-15: a budget written to the policy folder is enforced by a running proxy, and the proxy's ACK shows", async (t) => {
  const { weir, policy, openai } = await setting(t);
  await openai.chat.completions.create(chat());
  weir.writePolicy(policy + budget("stop", "{usd: 0}"));
  await until(async () => (await outcome(openai.chat.completions.create(chat()))).status === 402, "the new budget to be enforced", 5000);
  const { proxies } = await weir.api("/fleet");
  assert.equal(proxies[0].revision, proxies[0].targetRevision);
});

test("B-02: killed in the middle of calls, restarted: open holds are charged once, the rest is free again", async (t) => {
  let release;
  const hold = new Promise((r) => (release = r));
  const { mock, weir, openai } = await setting(t, { budgets: budget("calls", "{requests: 30}"), plan: (c, n) => (n > 5 ? { hold } : {}) });
  for (let i = 0; i < 5; i++) await openai.chat.completions.create(chat());
  const open = many(3, () => openai.chat.completions.create(chat()));
  await until(() => mock.calls.length === 8, "three calls to be under way");
  weir.proxies[0].proc.child.kill("SIGKILL");
  await open;
  release();
  await weir.startProxy(0);
  await settled(weir, "calls", 8);
  mock.plan = () => ({});
  const results = await many(40, () => openai.chat.completions.create(chat()));
  assert.equal(results.filter((r) => r === "ok").length, 22);
});

test("a stream is cut, correctly in its dialect, when its budget is used up", async (t) => {
  const { mock, weir, openai, anthropic } = await setting(t, { budgets: budget("money", "{usd: 0.003}"), plan: () => ({ tokens: 20000, chunkDelayMs: 0 }) });
  const stream = await openai.chat.completions.create(chat({ stream: true, max_tokens: 30000, reasoning_effort: "none" }));
  let finish, text = "";
  for await (const c of stream) {
    text += c.choices[0]?.delta.content ?? "";
    finish = c.choices[0]?.finish_reason ?? finish;
  }
  assert.equal(finish, "length");
  assert.match(text, /Cut by Weir: the budget 'default\/money'/);
  const [record] = await records(weir, 1);
  assert.equal(record.outcome, "cut");
  const refused = await outcome(anthropic.messages.create(chat({ stream: true, max_tokens: 30000, thinking: { type: "disabled" } })));
  assert.ok(refused === "ok" || refused.status === 402);
  await mock.calls[0].closed;
});

test("B-24: the error names the budget, its limit and when it resets, and says that it is Weir's; max_tokens is never demanded", async (t) => {
  const { openai } = await setting(t, { budgets: budget("day", "{requests: 1}", { window: "day" }) });
  const { max_tokens, ...free } = chat();
  assert.equal(await outcome(openai.chat.completions.create(free)), "ok");
  const e = await outcome(openai.chat.completions.create(free));
  assert.equal(e.status, 402);
  assert.equal(e.code, "budget_exceeded");
  assert.match(e.message, /Weir's budget 'default\/day'.*limit 1 request.*left 0.*resets in/);
  assert.equal(e.headers.get("x-should-retry"), "false");
});

test("B-06: how old the knowledge is that budgets are decided by is exported, and small", async (t) => {
  const { weir, openai } = await setting(t, { budgets: budget("calls", "{requests: 100}") });
  await openai.chat.completions.create(chat());
  await until(async () => {
    const age = Number(/^weir_decision_age_milliseconds (\d+)$/m.exec(await weir.metrics())?.[1] ?? NaN);
    return age < 60_000; // the leases' use-by: past it nothing new is held
  }, "the metric");
});

const tool = { openai: (name) => ({ type: "function", function: { name, parameters: { type: "object" } } }), anthropic: (name) => ({ name, input_schema: { type: "object" } }) };

test("B-23: a budget of a tool counts the calls that offer it, in any client's API, and no others", async (t) => {
  const { mock, weir, openai, anthropic } = await setting(t, { budgets: budget("shells", "{requests: 2}", { extra: '  selector: {tools: ["shell*"]}' }) });
  const chats = (names) => openai.chat.completions.create(chat(names && { tools: names.map(tool.openai) }));
  const messages = (names) => anthropic.messages.create(chat({ tools: names.map(tool.anthropic) }));
  await chats(["read", "shell_exec"]);
  await chats(["read"]);
  await chats();
  await messages(["shell"]);
  await messages(["read"]);
  for (const refused of [() => chats(["shell"]), () => messages(["read", "shell"])])
    await assert.rejects(refused(), (e) => [402, 429].includes(e.status) && e.message.includes("shells"));
  await chats(["read"]);
  assert.equal(mock.calls.length, 6);
  await settled(weir, "shells", 2);
});

// One budget of each level covers the call; whichever has the least left decides, and a refusal takes nothing from the others.
for (const level of ["organization", "team", "project", "agent", "key", "user", "model", "provider"])
  test(`B-23: budgets of all levels hold together: the one of each ${level} refuses when it is used up`, async (t) => {
    const levels = ["organization", "team", "project", "agent", "key", "user", "model", "provider"];
    const { mock, weir, openai } = await setting(t, { agentExtra: "  organization: acme",
      budgets: levels.map((l) => budget(`each-${l}`, `{requests: ${l === level ? 2 : 9}}`, { extra: `  per: [${l}]` })).join("") + budget("acme", "{requests: 9}", { extra: "  selector: {organizations: [ac*]}" })
        + budget("others", "{requests: 0}", { extra: "  selector: {organizations: [other]}" }) });
    const call = () => openai.chat.completions.create({ ...chat(), user: "ada" });
    await call();
    await call();
    await assert.rejects(call(), (e) => e.status === 402 && e.message.includes(`each-${level}`));
    assert.equal(mock.calls.length, 2);
    for (const l of [...levels.map((x) => `each-${x}`), "acme"]) await settled(weir, l, 2);
    const { items } = await weir.api("/calls?limit=1");
    assert.equal(items[0].organization, "acme");
  });
