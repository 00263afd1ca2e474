// Every log, metric, answer and state file is searched for canary keys.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { CALLER_KEY, budget, chat, clients, records, setting } from "./lib/setup.mjs";

const PROVIDER_KEY = "sk-provider-canary-5f1e";
const WRONG_KEY = "weir_sk_canary_wrong_c0ffee";
const PROMPT = "canary-prompt-4411";

function* files(dir) {
  for (const e of fs.readdirSync(dir, { withFileTypes: true })) {
    const p = path.join(dir, e.name);
    if (e.isDirectory()) yield* files(p);
    else if (e.isFile()) yield p;
  }
}

test("no key and no prompt in any log, metric, answer or state file", async (t) => {
  const { weir, openai, anthropic, mock } = await setting(t, { budgets: budget("money", "{usd: 1}"), plan: (c, n) => (n === 3 ? { status: 401 } : n === 4 ? { status: "reset" } : {}) });
  const message = chat({ messages: [{ role: "user", content: PROMPT }] });
  const answers = [];
  const call = (p) => p.then((r) => answers.push(JSON.stringify(r)), (e) => answers.push(`${e} ${JSON.stringify(e.error ?? "")} ${JSON.stringify([...(e.headers ?? [])])}`));
  await call(openai.chat.completions.create(message));
  await call(anthropic.messages.create(message));
  await call(openai.chat.completions.create(message));
  await call(openai.chat.completions.create(message));
  await call(clients(weir.url, WRONG_KEY).openai.chat.completions.create(message));
  await call(openai.chat.completions.create({ ...message, model: "nowhere" }));
  await records(weir, 6);
  const places = { metrics: await weir.metrics(), api: JSON.stringify(await weir.api("/calls?limit=50")), fleet: JSON.stringify(await weir.api("/fleet")), answers: answers.join("\n") };
  await weir.proxies[0].proc.stop();
  await weir.control.stop();
  places["proxy output"] = weir.proxies[0].proc.output;
  places["control output"] = weir.control.output;
  for (const dir of [weir.controlState, weir.proxies[0].state]) for (const f of files(dir)) places[f] = fs.readFileSync(f, "latin1");
  assert.ok(Object.keys(places).length > 8);
  for (const [name, text] of Object.entries(places)) {
    for (const canary of [PROVIDER_KEY, CALLER_KEY, WRONG_KEY]) assert.ok(!text.includes(canary), `${canary} in ${name}`);
    if (name !== "answers") assert.ok(!text.includes(PROMPT), `the prompt in ${name}`);
  }
  for (const c of mock.calls) assert.ok(!JSON.stringify(c.headers).includes(CALLER_KEY));
});
