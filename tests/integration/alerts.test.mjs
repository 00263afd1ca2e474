// Who is told when a budget's spending crosses a threshold: by webhook and by command, once, over restarts too.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { budget, chat, setting, settled, until } from "./lib/setup.mjs";

// A receiver of webhooks; answer(n) gives the status of the n-th POST.
async function receiver(t, answer = () => 200) {
  const posts = [];
  const server = http.createServer(async (req, res) => {
    let text = "";
    for await (const piece of req) text += piece;
    posts.push({ url: req.url, headers: req.headers, text });
    res.writeHead(answer(posts.length)).end();
  });
  await new Promise((r) => server.listen(0, "127.0.0.1", r));
  t.after(() => server.close());
  return { posts, url: `http://127.0.0.1:${server.address().port}/hook?token=canary-7c1` };
}

const folder = (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-alerts-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
};

const spend = async (openai, n) => {
  for (let i = 0; i < n; i++) await openai.chat.completions.create(chat());
};

test("calls that begin to wait for a person are told once for all of them, and again when they wait anew", async (t) => {
  const plain = await receiver(t), slack = await receiver(t);
  const { weir, openai } = await setting(t, {
    budgets: budget("calls", "{requests: 2}", { window: "month", extra: `  onExhausted: ask
  maxWait: 60s
  alerts:
    - {asked: true, webhook: "${plain.url}"}
    - {asked: true, webhook: "${slack.url}", format: slack}` }),
  });
  const call = () => openai.chat.completions.create(chat());
  const raise = (by) => weir.api("/budgets/default/calls/raise", { method: "POST", body: JSON.stringify({ by, untilMs: Date.now() + 3_600_000 }) });
  await spend(openai, 2);
  await settled(weir, "calls", 2);
  assert.equal(plain.posts.length, 0, "spending is no question");
  const waiting = [call(), call()];
  await until(() => plain.posts.length === 1 && slack.posts.length === 1, "both webhooks");
  const body = JSON.parse(plain.posts[0].text);
  assert.deepEqual([body.type, body.budget, body.need, body.limit, body.unit], ["budget.asked", "default/calls", 1, 2, "requests"]);
  assert.match(JSON.parse(slack.posts[0].text).text, /Budget default\/calls has calls that wait for somebody .* 1 requests are needed, 2 requests of 2 requests are spent/);
  await raise("2");
  await Promise.all(waiting);
  assert.equal(plain.posts.length, 1, "two calls are one question");
  const third = call();
  await until(() => plain.posts.length === 2, "the next question");
  await raise("1");
  await third;
  await settled(weir, "calls", 5);
});

test("each threshold is told once, as JSON and as Slack takes it, signed, and not again after a restart", async (t) => {
  const plain = await receiver(t), slack = await receiver(t);
  const secretFile = path.join(folder(t), "secret");
  fs.writeFileSync(secretFile, "a secret of the finance team\n", { mode: 0o600 });
  const { weir, openai } = await setting(t, {
    budgets: budget("calls", "{requests: 10}", { window: "month", extra: `  alerts:
    - {percent: 50, webhook: "${plain.url}", secretFile: ${secretFile}}
    - {percent: 50, webhook: "${slack.url}", format: slack}
    - {percent: 100, webhook: "${plain.url}"}` }),
  });
  await spend(openai, 4);
  await settled(weir, "calls", 4);
  assert.equal(plain.posts.length, 0);
  await spend(openai, 2);
  await until(() => plain.posts.length === 1 && slack.posts.length === 1, "both webhooks");
  const [{ text, headers, url }] = plain.posts, body = JSON.parse(text);
  assert.equal(url, "/hook?token=canary-7c1");
  assert.equal(headers["content-type"], "application/json");
  assert.equal(body.type, "budget.percent");
  assert.equal(body.budget, "default/calls");
  assert.equal(body.percent, 50);
  assert.equal(body.limit, 10);
  assert.equal(body.unit, "requests");
  assert.ok(body.spent >= 5 && body.spent <= 6);
  assert.match(body.text, /Budget default\/calls has used 50 % of its limit: [56] requests of 10 requests are spent\./);
  const [, at, code] = headers["x-weir-signature"].match(/^t=(\d+),v1=([0-9a-f]{64})$/);
  assert.equal(code, crypto.createHmac("sha256", "a secret of the finance team").update(`${at}.${text}`).digest("hex"));
  assert.deepEqual(Object.keys(JSON.parse(slack.posts[0].text)), ["text"]);
  assert.equal(slack.posts[0].headers["x-weir-signature"], undefined);

  await until(async () => /weir_alerts_waiting 0/.test(await metrics(weir)), "the alerts to be done");
  await weir.control.stop();
  await weir.startControl();
  await spend(openai, 1);
  await settled(weir, "calls", 7);
  assert.equal(plain.posts.length, 1);
  await spend(openai, 3);
  await until(() => plain.posts.length === 2, "the last threshold");
  assert.equal(JSON.parse(plain.posts[1].text).percent, 100);
  assert.equal(slack.posts.length, 1);
  assert.doesNotMatch(weir.control.output, /canary-7c1/);
});

const metrics = async (weir) => (await fetch(`http://127.0.0.1:${weir.apiPort}/metrics`, { headers: { authorization: `Bearer ${weir.token}` } })).text();

test("a webhook that fails is tried again until it answers", async (t) => {
  const hook = await receiver(t, (n) => (n < 3 ? 503 : 204));
  const { weir, openai } = await setting(t, { budgets: budget("calls", "{requests: 2}", { extra: `  alerts: [{percent: 50, webhook: "${hook.url}"}]` }) });
  await spend(openai, 1);
  await until(async () => /weir_alerts_total\{outcome="delivered"\} 1/.test(await metrics(weir)), "the third try", 20_000);
  assert.equal(hook.posts.length, 3);
  assert.equal(new Set(hook.posts.map((p) => JSON.parse(p.text).id)).size, 1);
});

test("one that was not delivered before the control plane was killed is told after its restart", async (t) => {
  let up = false;
  const hook = await receiver(t, () => (up ? 200 : 500));
  const { weir, openai } = await setting(t, { budgets: budget("calls", "{requests: 2}", { extra: `  alerts: [{percent: 50, webhook: "${hook.url}"}]` }) });
  await spend(openai, 1);
  await until(() => hook.posts.length >= 1, "the first try");
  await weir.control.stop("SIGKILL");
  up = true;
  const before = hook.posts.length;
  await weir.startControl();
  await until(() => hook.posts.length > before, "the try after the restart", 20_000);
  await until(async () => /weir_alerts_total\{outcome="delivered"\} 1/.test(await metrics(weir)), "it to be delivered");
});

test("a command of the allow-list gets the text; one that only the policy names is never run", async (t) => {
  const dir = folder(t), mail = path.join(dir, "mail"), evil = path.join(dir, "evil");
  for (const p of [mail, evil]) fs.writeFileSync(p, `#!/bin/sh\ncat > ${p}.got.tmp && mv ${p}.got.tmp ${p}.got\n`, { mode: 0o700 });
  const { weir, openai } = await setting(t, {
    controlArgs: ["--alert-commands", `mail=${mail}`],
    budgets: budget("calls", "{requests: 2}", { extra: `  alerts: [{percent: 50, command: mail}, {percent: 50, command: evil}, {percent: 50, command: "${evil}"}]` }),
  });
  await spend(openai, 1);
  await until(() => fs.existsSync(`${mail}.got`), "the command");
  assert.match(fs.readFileSync(`${mail}.got`, "utf8"), /^Budget default\/calls has used 50 % of its limit: 1 requests of 2 requests are spent\.\n\nSeen: /);
  await until(async () => /weir_alerts_waiting 0/.test(await metrics(weir)), "all to be done");
  assert.equal(fs.existsSync(`${evil}.got`), false);
  assert.match(weir.control.output, /names the command \\"evil\\", which --alert-commands doesn't/);
});
