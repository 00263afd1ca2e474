// Gemini CLI itself, non-interactively, through Weir: towards its own vendor's API and towards others, with a tool that it runs
// on this machine and whose result goes back to the model.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { CALLER_KEY, records, route, settled } from "../integration/lib/setup.mjs";
import { geminiSetting } from "../integration/lib/gemini.mjs";

const gemini = join(import.meta.dirname, "node_modules/.bin/gemini");
const settings = { security: { auth: { selectedType: "gemini-api-key" } }, privacy: { usageStatisticsEnabled: false }, general: { enableAutoUpdate: false } };

async function run(t, url, prompt) {
  const home = fs.mkdtempSync(join(os.tmpdir(), "weir-gemini-"));
  t.after(() => fs.rmSync(home, { recursive: true, force: true }));
  fs.mkdirSync(join(home, ".gemini"));
  fs.writeFileSync(join(home, ".gemini/settings.json"), JSON.stringify(settings));
  const p = spawn(gemini, ["-m", "gemini-2.5-pro", "--yolo", "-p", prompt], {
    cwd: home, stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, HOME: home, GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: CALLER_KEY, GEMINI_CLI_TRUST_WORKSPACE: "true" },
  });
  let out = "";
  p.stdout.on("data", (d) => (out += d));
  p.stderr.on("data", (d) => (out += d));
  const late = setTimeout(() => p.kill("SIGKILL"), 120_000);
  const code = await new Promise((r) => p.on("exit", r));
  clearTimeout(late);
  return { code, out };
}

// The first answer asks for the tool; the one after its result ends the turn.
const args = { command: "expr 40 + 2 | sed s/^/weir-/", description: "says so" };
const answered = (c) => /functionResponse|tool_result|"role":"tool"/.test(JSON.stringify(c.body.contents ?? c.body.messages));
const plan = (c) => (answered(c) ? { tokens: 4 } : { toolCall: { name: "run_shell_command", args } });
const ownPlan = (c) => (answered(c) ? { tokens: 4 } : { parts: [{ functionCall: { name: "run_shell_command", args }, thoughtSignature: "c2ln" }] });

for (const [api, provider, path] of [["its own API", "go", "/v1beta/models/mock-small:streamGenerateContent"], ["Chat Completions", "oa", "/v1/chat/completions"],
  ["Anthropic Messages", "an", "/v1/messages"]])
  test(`Gemini CLI towards ${api}: a tool runs here and its result reaches the model`, async (t) => {
    const { google, mock, weir } = await geminiSetting(t, { gemini: ownPlan, plan, more: route("cli", [[{ provider, model: "mock-small" }]], "  priority: 10\n  models: ['gemini-*']") });
    const { calls, problems } = provider === "go" ? google : mock;
    const { code, out } = await run(t, weir.url, "Say where you are.");
    assert.equal(code, 0, out);
    assert.match(out, /lor lor/);
    assert.equal(google.calls.length + mock.calls.length, calls.length);
    assert.ok(calls.every((c) => c.path === path), calls.map((c) => c.path).join());
    assert.match(JSON.stringify(calls.at(-1).body), /weir-42/);
    assert.deepEqual(problems, []);
    await records(weir, calls.length);
    await settled(weir, "money", provider === "go" ? google.bill : mock.bill);
  });
