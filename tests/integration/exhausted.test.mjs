// What a budget does with a call that it can't pay, in place of a refusal: clamp, queue, downgrade, ask.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cli } from "./lib/cli.mjs";
import { budget, chat, records, setting, settled, until } from "./lib/setup.mjs";

const outcome = (p) => p.then(() => "ok", (e) => e);

test("clamp: an output limit that can't be paid is lowered to what can, for the caller's own limit and for none", async (t) => {
  const { mock, weir, openai, anthropic } = await setting(t, { budgets: budget("money", "{usd: 0.003}", { extra: "  onExhausted: clamp" }), plan: (c) => ({ tokens: c.body.max_tokens }) });
  const { response } = await openai.chat.completions.create(chat({ max_tokens: 30_000 })).withResponse();
  const told = mock.calls[0].body.max_tokens;
  assert.ok(told >= 4000 && told < 5000, `${told}`); // 0.003 dollars buy 5,000 tokens, the input's bound costs some
  assert.equal(response.headers.get("x-weir-output-limit"), String(told));
  assert.ok(mock.bill <= 3_000_000n);
  await settled(weir, "money", mock.bill);
  const e = await outcome(anthropic.messages.create(chat({ max_tokens: 30_000, stream: true })));
  assert.ok(e === "ok" || e.status === 402);
  assert.ok(mock.bill <= 3_000_000n);
});

test("clamp: a model that is granted more thinking than can be paid is refused, not sent a request that its provider would reject", async (t) => {
  const { mock, anthropic } = await setting(t, { budgets: budget("money", "{usd: 0.003}", { extra: "  onExhausted: clamp" }) });
  const e = await outcome(anthropic.messages.create(chat({ max_tokens: 30_000, stream: true, thinking: { type: "enabled", budget_tokens: 20_000 } })));
  assert.equal(e.status, 402);
  assert.equal(mock.calls.length, 0);
});

test("clamp: the limit of several answers is shared among them, and every budget over the call is kept", async (t) => {
  const { mock, openai } = await setting(t, {
    budgets: budget("money", "{usd: 0.003}", { extra: "  onExhausted: clamp" }) + budget("tokens", "{tokens: 2000}", { extra: "  onExhausted: clamp" }),
    plan: () => ({ tokens: 5 }),
  });
  await openai.chat.completions.create(chat({ max_tokens: 30_000, n: 2 }));
  const told = mock.calls[0].body.max_tokens;
  assert.ok(told * 2 < 2000 && told > 400, `${told}`);
});

for (const [name, extra, second] of [["queue: a call waits for what others give back", "  onExhausted: queue", "ok"], ["without a queue it is refused at once", "", 402]])
  test(name, async (t) => {
    let release;
    const hold = new Promise((r) => (release = r));
    // Enough for one worst case of 1,000 tokens, not for two; what is settled is little.
    const { mock, weir, openai } = await setting(t, { budgets: budget("money", "{usd: 0.001}", { extra }), plan: (c, n) => (n === 1 ? { hold } : {}) });
    const call = () => outcome(openai.chat.completions.create(chat({ max_tokens: 1000 })));
    const first = call();
    await until(() => mock.calls.length === 1, "the first call to be under way");
    const waiting = call();
    if (second === "ok") assert.equal(await Promise.race([waiting, new Promise((r) => setTimeout(r, 400, "waits"))]), "waits");
    else assert.equal((await waiting).status, second);
    release();
    assert.equal(await first, "ok");
    if (second === "ok") assert.equal(await waiting, "ok");
    await settled(weir, "money", mock.bill);
  });

test("queue: the wait ends with the budget's own refusal after maxWait, and at once for a caller that leaves", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("calls", "{requests: 1}", { extra: "  onExhausted: queue\n  maxWait: 300ms" }) });
  await openai.chat.completions.create(chat());
  const e = await outcome(openai.chat.completions.create(chat()));
  assert.equal(e.status, 402);
  assert.match(e.message, /default\/calls/);
  const left = new AbortController();
  const gone = outcome(openai.chat.completions.create(chat(), { signal: left.signal }));
  setTimeout(() => left.abort(), 50);
  assert.match(String(await gone), /abort/i);
  const list = await records(weir, 3);
  assert.deepEqual(list.map((r) => r.outcome).sort(), ["aborted", "ok", "refused"]);
  assert.equal(mock.calls.length, 1);
});

test("downgrade: the call goes to the cheaper model, is charged there, and the answer says which it was", async (t) => {
  const { mock, weir, openai } = await setting(t, {
    budgets: budget("large", "{usd: 0.001}", { extra: "  selector: {models: [mock-large]}\n  onExhausted: downgrade\n  downgradeTo: mock-small" })
      + budget("all", "{usd: 1}"),
    agentExtra: "  models: [mock-large]",
  });
  const { response } = await openai.chat.completions.create(chat({ model: "mock-large" })).withResponse();
  assert.equal(mock.calls[0].body.model, "mock-small");
  assert.equal(response.headers.get("x-weir-model"), "mock-small");
  await settled(weir, "all", mock.bill);
  assert.equal((await settled(weir, "large")).value, 0n);
  const [record] = await records(weir, 1);
  assert.equal(record.requestedModel, "mock-large");
  assert.equal((await outcome(openai.chat.completions.create(chat()))).status, 403); // the agent itself may not name it
});

test("downgrade: budgets that point at each other end in a refusal", async (t) => {
  const to = (name, model, other) => budget(name, "{usd: 0}", { extra: `  selector: {models: [${model}]}\n  onExhausted: downgrade\n  downgradeTo: ${other}` });
  const { mock, openai } = await setting(t, { budgets: to("a", "mock-large", "mock-small") + to("b", "mock-small", "mock-large") });
  assert.equal((await outcome(openai.chat.completions.create(chat({ model: "mock-large" })))).status, 402);
  assert.equal(mock.calls.length, 0);
});

const asking = (limit, wait = "60s") => budget("team", limit, { window: "day", extra: `  onExhausted: ask\n  maxWait: ${wait}\n  per: [agent]` });
const asked = (weir, n = 1) => until(async () => {
  const { items } = await weir.api("/asks");
  assert.equal(items.filter((a) => !a.denied).length, n, JSON.stringify(items));
  return items;
}, `${n} budgets for which somebody waits`);
const post = (weir, where, body) => weir.api(where, { method: "POST", body: JSON.stringify(body) });

test("ask: calls wait until a person raises the limit; many calls of a counter are one question; each decision is in the audit chain", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: asking("{requests: 2}") });
  const call = () => outcome(openai.chat.completions.create(chat()));
  assert.deepEqual([await call(), await call()], ["ok", "ok"]);
  const waiting = [call(), call(), call()];
  const [a] = await asked(weir);
  assert.deepEqual([a.name, a.scope, a.unit, a.need], ["default/team", "tester", "requests", 1]);
  assert.equal(mock.calls.length, 2);
  assert.match((await cli(weir)("budget", "asks")).out, /default\/team +tester +1/);
  await post(weir, "/budgets/default/team/raise", { by: "3", untilMs: Date.now() + 3_600_000, scope: "tester" });
  assert.deepEqual(await Promise.all(waiting), ["ok", "ok", "ok"]);
  await asked(weir, 0);
  await settled(weir, "team", 5);
  const actions = (await weir.api("/audit?limit=100")).items.map((e) => e.action);
  assert.ok(actions.includes("budget.raise"), actions.join());
});

test("ask: calls that a person denies are refused at once, in words that say so, and cost nothing; a minute later somebody may be asked again", async (t) => {
  const { mock, weir, openai, anthropic } = await setting(t, { budgets: asking("{usd: 0.0002}") });
  const big = chat({ max_tokens: 900 });
  const waiting = [outcome(openai.chat.completions.create(big)), outcome(anthropic.messages.create(big))];
  const [a] = await asked(weir);
  assert.ok(a.need > 200_000);
  assert.equal((await cli(weir)("budget", "deny", "team")).code, 0);
  for (const e of await Promise.all(waiting)) {
    assert.equal(e.status, 402);
    assert.match(e.message, /default\/team.*denied/);
  }
  assert.equal((await outcome(openai.chat.completions.create(big))).status, 402, "of the same minute");
  assert.equal(mock.calls.length, 0);
  assert.equal((await settled(weir, "team")).value, 0n);
  const again = await weir.api("/budgets/default/team/deny", { method: "POST", body: "{}", raw: true });
  assert.equal(again.status, 409);
  assert.match(again.text, /No call waits/);
});

test("ask: the wait ends with the budget's own refusal after maxWait, and for a caller that leaves; a restart of the control plane forgets nobody", async (t) => {
  const { weir, openai, policy } = await setting(t, { budgets: asking("{requests: 0}") + budget("b", "{requests: 1}", { extra: "  onExhausted: ask\n  maxWait: 400ms" }) });
  assert.equal((await outcome(openai.chat.completions.create(chat()))).status, 402, "a limit of 0 blocks: nobody is asked");
  const open = policy.replace("{requests: 0}", "{requests: 100}");
  weir.writePolicy(open);
  await until(async () => (await outcome(openai.chat.completions.create(chat()))) === "ok", "the new limit");
  assert.match((await outcome(openai.chat.completions.create(chat()))).message, /default\/b/);
  const revision = async () => (await (await fetch(`${weir.proxies[0].admin}/readyz`)).json()).policy.revision;
  const before = await revision();
  weir.writePolicy(open.replace("400ms", "60s"));
  await until(async () => (await revision()) !== before, "the new policy");
  const left = new AbortController();
  const gone = outcome(openai.chat.completions.create(chat(), { signal: left.signal }));
  const stays = outcome(openai.chat.completions.create(chat()));
  await asked(weir);
  left.abort();
  assert.match(String(await gone), /abort/i);
  await weir.control.stop("SIGKILL");
  await weir.startControl();
  await asked(weir);
  await post(weir, "/budgets/default/b/raise", { by: "1", untilMs: Date.now() + 3_600_000 });
  assert.equal(await stays, "ok");
});
