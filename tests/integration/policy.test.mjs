// Policy: changes while calls run, mistakes, NACKs, last known good, callers and keys. Cases O-05, B-25.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { agent, budget, chat, clients, setting, until, CALLER_KEY } from "./lib/setup.mjs";

const outcome = (p) => p.then(() => "ok", (e) => e);

test("a policy change in a file is enforced within a second, without a lost or disturbed call", async (t) => {
  const { weir, policy, openai, mock } = await setting(t);
  let running = true, calls = 0;
  const bad = [];
  const load = Promise.all(Array.from({ length: 8 }, async () => {
    while (running) {
      const r = await outcome(openai.chat.completions.create(chat()));
      calls++;
      if (r !== "ok") bad.push(String(r));
    }
  }));
  for (let i = 0; i < 5; i++) {
    const before = (await (await fetch(`${weir.proxies[0].admin}/readyz`)).json()).policy.revision;
    weir.writePolicy(policy + budget(`b${i}`, "{requests: 100000}"));
    await until(async () => (await (await fetch(`${weir.proxies[0].admin}/readyz`)).json()).policy.revision !== before, "a new revision", 3000);
  }
  running = false;
  await load;
  assert.deepEqual(bad, []);
  assert.ok(calls > 50);
  assert.deepEqual(mock.problems, []);
});

test("a bad edit leaves the last good policy in force and is shown by file, line and path", async (t) => {
  const { weir, policy, openai } = await setting(t);
  weir.writePolicy(policy.replace("maxOutputTokens: 1000", "maxOutputTokens: lots") + budget("b", "{usd: 1, tokns: 3}"));
  const errors = await until(async () => {
    const list = (await weir.api("/policy")).errors;
    return list.length ? list : false;
  }, "the errors");
  const text = JSON.stringify(errors);
  assert.match(text, /maxOutputTokens/);
  assert.match(text, /tokns/);
  assert.match(text, /policy\.yaml/);
  assert.equal(await outcome(openai.chat.completions.create(chat())), "ok");
  weir.writePolicy(policy);
  await until(async () => (await weir.api("/policy")).errors.length === 0, "the errors to go");
});

test("O-05: a proxy that can't use a policy says so, keeps the one before, and the control plane shows who and why", async (t) => {
  const { weir, policy, openai } = await setting(t);
  // The control plane can't know that this file is missing on the proxy.
  weir.writePolicy(policy.replaceAll("{env: MOCK_KEY}", "{file: /nonexistent/key}"));
  const proxy = await until(async () => {
    const p = (await weir.api("/fleet")).proxies[0];
    return p.errors?.length ? p : false;
  }, "the NACK");
  assert.match(JSON.stringify(proxy.errors), /no such file/);
  assert.notEqual(proxy.revision, proxy.targetRevision);
  assert.equal(await outcome(openai.chat.completions.create(chat())), "ok");
  weir.writePolicy(policy);
  await until(async () => {
    const p = (await weir.api("/fleet")).proxies[0];
    return p.revision === p.targetRevision && !p.errors?.length;
  }, "the ACK");
});

test("editors' habits: rename, truncate and rewrite, delete and create, backup files", async (t) => {
  const { weir, policy, openai } = await setting(t);
  const file = path.join(weir.policyDir, "policy.yaml");
  const blocked = policy + budget("stop", "{usd: 0}");
  const isBlocked = async () => (await outcome(openai.chat.completions.create(chat()))).status === 402;
  const isOpen = async () => (await outcome(openai.chat.completions.create(chat()))) === "ok";
  fs.writeFileSync(file, blocked);
  await until(isBlocked, "an in-place rewrite");
  fs.writeFileSync(`${file}~`, "not: [policy");
  fs.writeFileSync(path.join(weir.policyDir, ".policy.yaml.swp"), "junk");
  weir.writePolicy(policy);
  await until(isOpen, "an atomic rename");
  fs.unlinkSync(file);
  fs.writeFileSync(file, blocked);
  await until(isBlocked, "delete and create");
  const real = path.join(weir.dir, "real.yaml");
  fs.writeFileSync(real, policy);
  fs.unlinkSync(file);
  fs.symlinkSync(real, file);
  await until(isOpen, "a symbolic link");
});

test("callers: missing, wrong and disabled keys, model lists, unknown models, each in the client's dialect", async (t) => {
  const { weir, openai } = await setting(t, {
    more: agent("off", { key: "weir_sk_off", extra: "  disabled: true" }) + agent("narrow", { key: "weir_sk_narrow", extra: "  models: [mock-large]" }),
    routeExtra: "  models: ['mock-*']",
  });
  const bare = await fetch(`${weir.url}/v1/chat/completions`, { method: "POST", body: "{}" });
  assert.equal(bare.status, 401);
  assert.equal(bare.headers.get("x-should-retry"), "false");
  assert.equal((await bare.json()).error.code, "missing_api_key");
  const off = clients(weir.url, "weir_sk_off");
  assert.equal((await outcome(off.openai.chat.completions.create(chat()))).status, 403);
  assert.equal((await outcome(off.anthropic.messages.create(chat()))).error.error.type, "permission_error");
  const narrow = clients(weir.url, "weir_sk_narrow");
  assert.equal((await outcome(narrow.openai.chat.completions.create(chat()))).status, 403);
  assert.equal(await outcome(narrow.openai.chat.completions.create(chat({ model: "mock-large" }))), "ok");
  const unknown = await outcome(openai.chat.completions.create(chat({ model: "gpt-nowhere" })));
  assert.equal(unknown.status, 404);
  assert.equal(unknown.code, "model_not_found");
});

test("B-25: a key made at run time works, a revoked one stops working", async (t) => {
  const { weir } = await setting(t);
  const key = await weir.api("/keys", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ agent: "tester", id: "extra" }) });
  const text = key.key;
  const { openai } = clients(weir.url, text);
  await until(async () => (await outcome(openai.chat.completions.create(chat()))) === "ok", "the new key to work", 5000);
  await weir.api("/keys/default/extra", { method: "DELETE" });
  await until(async () => (await outcome(openai.chat.completions.create(chat()))).status === 401, "the revoked key to stop", 5000);
});

test("maxConcurrency holds and lets go", async (t) => {
  let release;
  const hold = new Promise((r) => (release = r));
  const { weir, openai, mock } = await setting(t, { agentExtra: "  maxConcurrency: 2", plan: (c, n) => (n <= 2 ? { hold } : {}) });
  const two = [openai.chat.completions.create(chat()), openai.chat.completions.create(chat())];
  await until(() => mock.calls.length === 2, "two calls under way");
  const third = await outcome(openai.chat.completions.create(chat()));
  assert.equal(third.status, 429);
  release();
  await Promise.all(two);
  assert.equal(await outcome(openai.chat.completions.create(chat())), "ok");
  assert.ok(weir);
});

test("the caller's key never reaches the provider; a pushed secret reaches only it", async (t) => {
  const secret = "sk-pushed-canary-91c2";
  const { weir, mock, policy, openai } = await setting(t);
  mock.key = secret;
  fs.writeFileSync(path.join(weir.dir, "secret"), `${secret}\n`, { mode: 0o600 });
  weir.writePolicy(policy.replaceAll("{env: MOCK_KEY}", `{pushed: {file: ${path.join(weir.dir, "secret")}}}`));
  await until(async () => {
    mock.problems.length = 0;
    return (await outcome(openai.chat.completions.create(chat()))) === "ok" && mock.problems.length === 0;
  }, "the pushed secret to be used");
  for (const call of mock.calls) assert.ok(!JSON.stringify(call.headers).includes(CALLER_KEY));
});

test("a credential file that goes bad is told once and shown; the old key stays in use until it is mended", async (t) => {
  const { mock, weir, policy, openai } = await setting(t);
  const file = path.join(weir.dir, "provider.key");
  const told = () => weir.proxies[0].proc.output.split("\n").filter((l) => l.includes("the file changed and can't be used"));
  const readyz = async () => (await fetch(`${weir.proxies[0].admin}/readyz`)).json();
  fs.writeFileSync(file, "sk-first\n", { mode: 0o600 });
  weir.writePolicy(policy.replaceAll("credential: {env: MOCK_KEY}", `credential: {file: ${file}}`));
  await until(async () => (await openai.chat.completions.create(chat())) && mock.calls.at(-1).headers.authorization === "Bearer sk-first", "the file's key in use");

  fs.writeFileSync(file, "two\nlines\n");
  const said = await until(async () => (await readyz()).problem, "the problem in the proxy's status");
  assert.match(said, /^Provider default\/(oa|an): spec\.credential: the secret has a control character/);
  assert.equal((await readyz()).status, "ready");
  await until(async () => (await weir.api("/fleet")).proxies[0].problem === said, "the problem in the fleet");
  assert.equal(told().length, 1, "told once, however long it lasts");
  await openai.chat.completions.create(chat());
  assert.equal(mock.calls.at(-1).headers.authorization, "Bearer sk-first");

  fs.rmSync(file);
  await until(() => told().length === 2, "another change, another line");
  assert.match(told()[1], /no such file on this proxy/);
  fs.writeFileSync(file, "sk-second\n", { mode: 0o600 });
  await until(async () => (await openai.chat.completions.create(chat())) && mock.calls.at(-1).headers.authorization === "Bearer sk-second", "the mended key in use");
  assert.equal((await readyz()).problem, undefined);
  await until(async () => (await weir.api("/fleet")).proxies[0].problem === "", "the fleet sees it mended");
});
