// Where a call goes when targets fail, ask for a pause or come back. Cases F-01, F-03, F-05, F-06.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Mock, Weir, agent, budget, chat, clients, prices, provider, route, settled, until } from "./lib/setup.mjs";

// Two providers of one dialect, `first` before `second`; each answers as its plan says.
async function pair(t, { dialect = "openai", plans = {}, health = "", routeExtra = "", budgets = "", groups = [["first"], ["second"]], strategy } = {}) {
  const mocks = {};
  for (const name of ["first", "second"]) {
    mocks[name] = await new Mock({ plan: (c, n) => plans[name]?.(c, n) ?? {} }).start();
    t.after(() => mocks[name].stop());
  }
  const extra = health && `  health: ${health}`;
  const routes = route("all", groups, routeExtra).replaceAll("- targets", strategy ? `- strategy: ${strategy}\n      targets` : "- targets");
  const policy = prices + agent("tester") + ["first", "second"].map((n) => provider(n, dialect, mocks[n].url, { extra })).join("") + routes + budgets;
  const weir = await Weir.start(t, { policy });
  const c = clients(weir.url);
  const create = (body, o) => (dialect === "openai" ? c.openai.chat.completions : c.anthropic.messages).create(chat(body), o).withResponse();
  const call = async (body, o) => (await create(body, o)).response.headers.get("x-weir-provider");
  const drain = async (body) => {
    const { data, response } = await create({ stream: true, ...body });
    const events = [];
    for await (const e of data) events.push(e);
    return { events, provider: response.headers.get("x-weir-provider") };
  };
  const metric = async (name) => Number((await (await fetch(`${weir.proxies[0].admin}/metrics`)).text()).match(new RegExp(`^${name} (\\d+)$`, "m"))[1]);
  return { weir, mocks, plans, call, create, drain, metric, calls: (n) => mocks[n].calls.length };
}

const limited = (headers) => ({ status: 429, headers });

for (const dialect of ["openai", "anthropic"]) {
  test(`cool-down: ${dialect}: a target that asks for a pause is left alone; the others serve meanwhile`, async (t) => {
    const s = await pair(t, { dialect, plans: { first: () => limited({ "retry-after": "60" }) } });
    for (let i = 0; i < 5; i++) assert.equal(await s.call(), "second");
    assert.equal(s.calls("first"), 1);
    await until(async () => (await s.metric("weir_targets_cooling")) === 1, "the gauge");
    assert.equal(await s.metric("weir_cooldowns_total"), 1);
  });

  test(`cool-down: ${dialect}: when all targets asked for a long pause, calls get 429 and the nearest time, in the dialect's shape`, async (t) => {
    const s = await pair(t, { dialect, plans: { first: () => limited({ "retry-after": "90" }), second: () => limited({ "retry-after": "60" }) } });
    // The provider's own refusal passes unchanged when nobody else is left.
    await assert.rejects(s.call(), (e) => e.status === 429 && /mock says no/.test(e.message) && e.headers.get("retry-after") === "60");
    await assert.rejects(s.call(), (e) => {
      assert.equal(e.status, 429);
      const wait = Number(e.headers.get("retry-after"));
      assert.ok(wait > 40 && wait <= 60, `${wait}`);
      assert.notEqual(e.headers.get("x-should-retry"), "false");
      assert.match(e.message, /asked for a pause/);
      assert.equal(e.error.type ?? e.error.error.type, dialect === "openai" ? "rate_limit_error" : "error");
      return true;
    });
    assert.equal(s.calls("first") + s.calls("second"), 2);
    assert.equal(await s.metric("weir_cooling_refused_total"), 1);
  });

  test(`F-06: ${dialect}: 529 goes straight to the next target, a failing target is set aside, and a probe restores it`, async (t) => {
    const s = await pair(t, { dialect, health: "{failures: 2, openFor: 100ms}", plans: { first: () => ({ status: 529 }) } });
    for (let i = 0; i < 2; i++) assert.equal(await s.call(), "second");
    assert.equal(s.calls("first"), 2, "one attempt a call, none repeated");
    assert.equal(await s.metric("weir_circuits_opened_total"), 1);
    await until(async () => (await s.metric("weir_targets_open")) === 1, "the gauge");
    s.plans.first = undefined;
    await until(async () => (await s.call()) === "first", "the probe");
    assert.equal(await s.call(), "first");
    await until(async () => (await s.metric("weir_targets_open")) === 0, "the gauge");
  });

  test(`F-06: ${dialect}: an overload told inside a stream is a failure too`, async (t) => {
    const text = dialect === "openai" ? 'data: {"error":{"message":"overloaded","type":"server_error","code":null,"param":null}}\n\n'
      : 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"overloaded"}}\n\n';
    const s = await pair(t, { dialect, health: "{failures: 2, openFor: 10m}", plans: { first: () => ({ events: [{ text }] }) } });
    for (let i = 0; i < 4; i++) assert.equal((await s.drain()).provider, "second");
    assert.equal(s.calls("first"), 2);
  });

  test(`F-01, F-03: ${dialect}: a target that is silent before its first byte is replaced, without a trace and paid once`, async (t) => {
    let release;
    const silent = new Promise((r) => (release = r));
    t.after(() => release());
    const s = await pair(t, {
      dialect, budgets: budget("money", "{usd: 10}"), routeExtra: "  timeouts: {firstByte: 100ms}",
      plans: { first: () => ({ hold: silent }) },
    });
    const { events, provider: by } = await s.drain();
    assert.equal(by, "second");
    const text = events.map((e) => e.choices?.[0]?.delta.content ?? e.delta?.text ?? "").join("");
    assert.equal(text, "lor ".repeat(10));
    if (dialect === "anthropic") assert.equal(events.filter((e) => e.type === "message_start").length, 1);
    assert.equal(s.calls("first"), 1);
    // What the silent one may have read is charged by estimate, beside the other's bill.
    await until(async () => (await settled(s.weir, "money")).value > s.mocks.second.bill, "both attempts' cost");
  });
}

test("cool-down: a short pause is waited for when nobody else is left", async (t) => {
  const s = await pair(t, { groups: [["first"]], plans: { first: (c, n) => (n === 1 ? limited({ "retry-after-ms": "150" }) : {}) } });
  assert.equal(await s.call(), "first");
  assert.equal(s.calls("first"), 2);
});

test("cool-down: a route may refuse rather than wait, and the pause has an end", async (t) => {
  const s = await pair(t, { groups: [["first"]], routeExtra: "  retry: {maxPause: 0s}", plans: { first: (c, n) => (n === 1 ? limited({ "retry-after": "1" }) : {}) } });
  await assert.rejects(s.call(), (e) => e.status === 429 && /mock says no/.test(e.message));
  await assert.rejects(s.call(), (e) => e.status === 429 && /asked for a pause/.test(e.message) && e.headers.get("retry-after") === "1");
  await until(() => s.call().catch(() => false), "the end of the pause");
});

test("cool-down: policy bounds what a provider may ask for", async (t) => {
  const s = await pair(t, { health: "{maxCooldown: 0s}", plans: { first: (c, n) => (n === 1 ? limited({ "retry-after": "3600" }) : {}) } });
  assert.equal(await s.call(), "second");
  assert.equal(await s.call(), "first");
});

test("cool-down: it is of one model: the provider's others go on", async (t) => {
  const s = await pair(t, { plans: { first: (c) => (c.body.model === "mock-small" ? limited({ "retry-after": "60" }) : {}) } });
  assert.equal(await s.call(), "second");
  assert.equal(await s.call({ model: "mock-large" }), "first");
  assert.equal(await s.call(), "second");
  assert.equal(s.calls("first"), 2);
});

for (const [name, headers] of Object.entries({
  "x-ratelimit": { "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s" },
  "anthropic-ratelimit": { "anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2199-01-01T00:00:00Z" },
}))
  test(`rate-limit headers: ${name}: a target whose allowance is used up comes after the others, but is never refused for that`, async (t) => {
    const s = await pair(t, { plans: { first: () => ({ headers }) } });
    assert.equal(await s.call(), "first");
    assert.equal(await s.call(), "second");
    s.plans.second = () => ({ status: 503 });
    assert.equal(await s.call(), "first");
  });

test("F-05: a caller that wants no fallback gets the first target's own answer, and no other is called", async (t) => {
  const s = await pair(t, { health: "{failures: 1, openFor: 10m}", plans: { first: () => ({ status: 529 }) } });
  const alone = { headers: { "x-weir-no-fallback": "true" } };
  for (let i = 0; i < 2; i++) await assert.rejects(s.call({}, alone), (e) => e.status === 529 && /mock says no/.test(e.message));
  assert.equal(s.calls("first"), 2);
  assert.equal(s.calls("second"), 0);
  assert.equal(await s.call(), "second");
});

test("an open circuit refuses nobody: with no other target left, calls go on", async (t) => {
  const s = await pair(t, { groups: [["first"]], health: "{failures: 1, openFor: 10m}", routeExtra: "  retry: {attempts: 1}", plans: { first: (c, n) => (n <= 2 ? { status: 500 } : {}) } });
  for (let i = 0; i < 2; i++) await assert.rejects(s.call(), (e) => e.status === 500);
  assert.equal(await s.call(), "first");
});

test("leastLatency: the target that answers sooner gets the calls; a slow one is found out once", async (t) => {
  const s = await pair(t, { strategy: "leastLatency", groups: [["first", "second"]], plans: { first: () => ({ delayMs: 1000 }) } });
  for (let i = 0; i < 8; i++) await s.call();
  assert.equal(s.calls("first"), 1);
  assert.equal(s.calls("second"), 7);
});

test("leastBusy: calls under way are spread, by weight", async (t) => {
  let release;
  const held = new Promise((r) => (release = r));
  const plan = () => ({ hold: held });
  const s = await pair(t, { strategy: "leastBusy", groups: [[{ provider: "first", weight: 2 }, "second"]], plans: { first: plan, second: plan } });
  const open = [];
  for (let n = 1; n <= 6; n++) {
    open.push(s.call());
    await until(() => s.calls("first") + s.calls("second") === n, "the call to arrive");
  }
  assert.equal(s.calls("first"), 4);
  release();
  await Promise.all(open);
});

test("leastCost: the cheaper target gets the calls; one without a price comes last", async (t) => {
  const targets = [{ provider: "first", model: "unpriced" }, { provider: "first", model: "mock-large" }, { provider: "second", model: "mock-small" }];
  const s = await pair(t, { strategy: "leastCost", groups: [targets], plans: {} });
  const model = async () => (await s.create()).response.headers.get("x-weir-model");
  for (let i = 0; i < 5; i++) assert.equal(await model(), "mock-small");
  s.plans.second = () => ({ status: 500 });
  assert.equal(await model(), "mock-large");
  s.plans.first = (c) => (c.body.model === "mock-large" ? { status: 500 } : {});
  assert.equal(await model(), "unpriced");
});

test("sessionHash: a session stays with its target, leaves it while that asks for a pause, and comes back", async (t) => {
  const s = await pair(t, { strategy: "sessionHash", groups: [["first", "second"]] });
  const home = {};
  for (let i = 0; i < 24; i++) home[i] = await s.call({ prompt_cache_key: `s${i}` });
  for (const name of ["first", "second"]) assert.ok(Object.values(home).includes(name), JSON.stringify(home));
  for (let i = 0; i < 24; i++) assert.equal(await s.call({ prompt_cache_key: `s${i}` }), home[i]);
  const one = Object.keys(home).find((i) => home[i] === "first"), other = Object.keys(home).find((i) => home[i] === "second");
  s.plans.first = () => limited({ "retry-after": "1" });
  assert.equal(await s.call({ prompt_cache_key: `s${one}` }), "second");
  s.plans.first = undefined;
  assert.equal(await s.call({ prompt_cache_key: `s${one}` }), "second");
  assert.equal(await s.call({ prompt_cache_key: `s${other}` }), "second");
  await until(async () => (await s.call({ prompt_cache_key: `s${one}` })) === "first", "the end of the pause");
  // Without a session, the agent and its key are one.
  const alone = await s.call();
  for (let i = 0; i < 5; i++) assert.equal(await s.call(), alone);
  const header = await s.call({}, { headers: { "x-session-id": `s${one}` } });
  assert.equal(header, home[one]);
});

for (const dialect of ["openai", "anthropic"])
  test(`aliases: ${dialect}: a route's own name for a model is called by it, listed, and translated to what its target knows`, async (t) => {
    const s = await pair(t, { dialect, budgets: budget("money", "{usd: 10}"), routeExtra: "  models: [nothing-else]\n  aliases: {fast: mock-small, smart: mock-large}" });
    const { response } = await s.create({ model: "fast" });
    assert.equal(response.headers.get("x-weir-model"), "mock-small");
    assert.equal(s.mocks.first.calls[0].body.model, "mock-small");
    assert.equal((await s.create({ model: "smart" })).response.headers.get("x-weir-model"), "mock-large");
    await assert.rejects(s.call({ model: "mock-small" }), (e) => e.status === 404);
    const c = clients(s.weir.url)[dialect];
    const ids = [];
    for await (const m of c.models.list()) ids.push(m.id);
    assert.deepEqual(ids.sort(), ["fast", "nothing-else", "smart"]);
    await settled(s.weir, "money", s.mocks.first.bill);
  });

test("aliases: one that names no model is refused with its name", async (t) => {
  const s = await pair(t);
  const bad = prices + agent("tester") + provider("first", "openai", s.mocks.first.url) + route("all", [["first"]], "  aliases: {fast: ''}");
  const file = `${s.weir.policyDir}/policy.yaml`;
  fs.writeFileSync(file, bad);
  const { errors } = await until(async () => { const p = await s.weir.api("/policy"); return p.errors.length && p; }, "the refusal");
  assert.match(JSON.stringify(errors), /fast.*stands for nothing/);
});

// One provider with three keys; `plan` gets the key that a call came with.
async function pool(t, plan, { dialect = "openai", keys = ["{env: MOCK_KEY}", "{env: KEY_B}", "{env: KEY_C}"], routeExtra = "", budgets = "", strategy } = {}) {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "weir-keys-")), "key-c");
  fs.writeFileSync(file, "key-c");
  t.after(() => fs.rmSync(path.dirname(file), { recursive: true }));
  const keyOf = (c) => c.headers["x-api-key"] ?? c.headers.authorization.replace("Bearer ", "");
  const mock = await new Mock({ key: null, plan: (c) => plan(keyOf(c)) ?? {} }).start();
  t.after(() => mock.stop());
  const extra = `  health: {failures: 1, openFor: 10m}\n  moreCredentials: [${keys.slice(1).join(", ")}]`.replaceAll("FILE", file);
  const p = provider("pooled", dialect, mock.url, { extra }).replace("{env: MOCK_KEY}", keys[0]);
  const routes = route("all", [["pooled"]], routeExtra).replaceAll("- targets", strategy ? `- strategy: ${strategy}\n      targets` : "- targets");
  const env = { KEY_B: "key-b", KEY_C: "key-c" };
  const weir = await Weir.start(t, { policy: prices + agent("tester") + p + routes + budgets, env, mockKey: "key-a" });
  const c = clients(weir.url);
  const call = (body, o) => (dialect === "openai" ? c.openai.chat.completions : c.anthropic.messages).create(chat(body), o);
  return { weir, mock, call, used: () => mock.calls.map(keyOf), env };
}

for (const dialect of ["openai", "anthropic"]) {
  test(`key pool: ${dialect}: a key that is limited makes way for the next; the call is answered and paid once`, async (t) => {
    const s = await pool(t, (k) => (k === "key-c" ? {} : limited({ "retry-after": "60" })), { dialect, budgets: budget("money", "{usd: 10}") });
    for (let i = 0; i < 6; i++) await s.call();
    const used = s.used();
    for (const k of ["key-a", "key-b"]) assert.ok(used.filter((u) => u === k).length <= 1, `${used}`);
    assert.equal(used.filter((u) => u === "key-c").length, 6);
    await settled(s.weir, "money", s.mock.bill);
  });

  test(`key pool: ${dialect}: a key that the provider refuses is set aside; when all are refused the provider says so`, async (t) => {
    let good = "key-b";
    const s = await pool(t, (k) => (k === good ? {} : { status: 401 }), { dialect });
    for (let i = 0; i < 6; i++) await s.call();
    const used = s.used();
    for (const k of ["key-a", "key-c"]) assert.ok(used.filter((u) => u === k).length <= 1, `${used}`);
    good = undefined;
    await assert.rejects(s.call(), (e) => e.status === 401 && /mock says no/.test(e.message));
  });
}

test("key pool: its keys share the work, and a session stays with one of them", async (t) => {
  const s = await pool(t, () => {}, { strategy: "sessionHash" });
  const keyOf = async (i) => (await s.call({ prompt_cache_key: `s${i}` }), s.used().at(-1));
  const home = {};
  for (let i = 0; i < 40; i++) home[i] = await keyOf(i);
  assert.equal(new Set(Object.values(home)).size, 3);
  for (let i = 0; i < 40; i++) assert.equal(await keyOf(i), home[i]);
});

test("key pool: without fallback another key of the first target is used, and no second attempt made", async (t) => {
  const s = await pool(t, (k) => (k === "key-b" ? {} : limited({ "retry-after": "60" })));
  await until(async () => { await s.call(); return ["key-a", "key-c"].every((k) => s.used().includes(k)); }, "both limited keys to be known as such");
  const before = s.used().length;
  await s.call({}, { headers: { "x-weir-no-fallback": "true" } });
  assert.deepEqual(s.used().slice(before), ["key-b"]);
});

test("key pool: keys from a file and from the control plane", async (t) => {
  const s = await pool(t, () => {}, { keys: ["{pushed: {env: KEY_B}}", "{pushed: {env: MOCK_KEY}}", "{file: FILE}"], strategy: "leastBusy" });
  const seen = new Set();
  await until(async () => { await s.call(); s.used().forEach((k) => seen.add(k)); return seen.size === 3; }, "all three keys");
  assert.deepEqual([...seen].sort(), ["key-a", "key-b", "key-c"]);
});

test("key pool: no key of the caller's own, and no pool without a first key", async (t) => {
  for (const [keys, words] of [[["{env: MOCK_KEY}", "{passthrough: true}"], /no place among/], [["{passthrough: true}", "{env: KEY_B}"], /needs a first key/]]) {
    const s = await pair(t);
    const p = provider("first", "openai", s.mocks.first.url, { extra: `  moreCredentials: [${keys[1]}]` }).replace("{env: MOCK_KEY}", keys[0]);
    fs.writeFileSync(`${s.weir.policyDir}/policy.yaml`, prices + agent("tester") + p + route("all", [["first"]]));
    const { errors } = await until(async () => { const q = await s.weir.api("/policy"); return q.errors.length && q; }, "the refusal");
    assert.match(JSON.stringify(errors), words);
  }
});

test("fields: a route sets, defaults and takes out fields, in either API, and what it sets is what is held and told", async (t) => {
  const fields = "  fields: [{field: temperature, value: '0.2'}, {field: top_p, value: '0.9', ifAbsent: true}, {field: stop, value: '[\"x\"]', ifAbsent: true}, {field: metadata}, {field: max_tokens, value: '40'}]";
  const s = await pair(t, { routeExtra: fields, budgets: budget("money", "{usd: 1}") });
  await s.call({ temperature: 1, stop: ["mine"], metadata: { a: "b" }, max_tokens: 900 });
  const { model, messages, ...told } = s.mocks.first.calls[0].body;
  assert.deepEqual(told, { temperature: 0.2, stop: ["mine"], top_p: 0.9, max_tokens: 40 });
  await settled(s.weir, "money", s.mocks.first.bill);
});

test("fields: the model and what is no JSON are refused with their place", async (t) => {
  const s = await pair(t);
  const policy = (fields) => prices + agent("tester") + provider("first", "openai", s.mocks.first.url) + route("all", [["first"]], `  fields: [${fields}]`);
  for (const [fields, words] of [["{field: model, value: '\"x\"'}", /fields\[0\]\.field.*not a route's to change/], ["{field: a, value: high}", /fields\[0\]\.value.*no JSON/]]) {
    s.weir.writePolicy(policy(fields));
    const { errors } = await until(async () => { const p = await s.weir.api("/policy"); return p.errors.length && words.test(JSON.stringify(p.errors)) && p; }, "the refusal");
    assert.match(JSON.stringify(errors), words);
  }
});

// `first` comes before `second`, and lists mock-small with `small`; `second` lists it as it is.
async function fitting(t, small, { dialect = "openai", budgets = "" } = {}) {
  const mocks = { first: await new Mock().start(), second: await new Mock().start() };
  for (const m of Object.values(mocks)) t.after(() => m.stop());
  const listed = (more) => ({ extra: `  models: [{name: mock-small${more}}]` });
  const policy = prices + agent("tester") + provider("first", dialect, mocks.first.url, listed(`, ${small}`)) + provider("second", dialect, mocks.second.url, listed("")) + route("all", [["first"], ["second"]]) + budgets;
  const weir = await Weir.start(t, { policy });
  const c = clients(weir.url);
  const create = (body, o) => (dialect === "openai" ? c.openai.chat.completions : c.anthropic.messages).create(chat(body), o).withResponse();
  return { weir, mocks, create, target: async (body, o) => (await create(body, o)).response.headers.get("x-weir-provider"), policy };
}

const tool = { openai: { type: "function", function: { name: "f", parameters: { type: "object" } } }, anthropic: { name: "f", input_schema: { type: "object" } } };
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const image = { openai: { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } }, anthropic: { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } } };

for (const dialect of ["openai", "anthropic"]) {
  test(`features: ${dialect}: a call goes past a target that doesn't take its tools or images, also without fallback`, async (t) => {
    const s = await fitting(t, "without: [tools, images]", { dialect, budgets: budget("money", "{usd: 10}") });
    assert.equal(await s.target(), "first");
    assert.equal(await s.target({ tools: [tool[dialect]] }), "second");
    assert.equal(await s.target({ messages: [{ role: "user", content: [image[dialect]] }] }), "second");
    assert.equal(await s.target({ tools: [tool[dialect]] }, { headers: { "x-weir-no-fallback": "true" } }), "second");
    assert.equal(s.mocks.first.calls.length, 1);
    await settled(s.weir, "money", BigInt(s.mocks.first.bill) + BigInt(s.mocks.second.bill));
  });

  test(`features: ${dialect}: what no target takes is refused with its name and reaches no provider`, async (t) => {
    const s = await fitting(t, "without: [tools]", { dialect });
    s.weir.writePolicy(s.policy.replace("models: [{name: mock-small}]", "models: [{name: mock-small, without: [tools, streams]}]"));
    const refused = await until(async () => s.create({ tools: [tool[dialect]] }).then(() => null, (e) => e), "the policy");
    assert.equal(refused.status, 400);
    assert.match(refused.message, /No target of the route 'all' takes .*: tools \(Provider/);
    const before = s.mocks.first.calls.length + s.mocks.second.calls.length;
    await assert.rejects(s.create({ tools: [tool[dialect]] }), (e) => e.status === 400);
    assert.equal(s.mocks.first.calls.length + s.mocks.second.calls.length, before);
    assert.equal(await s.target(), "first");
  });

  test(`context window: ${dialect}: a call that is too large for a target goes to the next one`, async (t) => {
    const s = await fitting(t, "contextTokens: 2000", { dialect });
    const long = { messages: [{ role: "user", content: "water ".repeat(2000) }] };
    assert.equal(await s.target(), "first");
    assert.equal(await s.target(long), "second");
    assert.equal(await s.target({ max_tokens: 1999 }), "second");
    s.weir.writePolicy(s.policy.replace("models: [{name: mock-small}]", "models: [{name: mock-small, contextTokens: 2000}]"));
    // Where it fits none its own order holds, and the provider says what it thinks.
    await until(async () => (await s.target(long)) === "first", "the smaller window of the second");
  });
}
