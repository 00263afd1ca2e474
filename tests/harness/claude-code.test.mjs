// Claude Code itself, non-interactively, through Weir: towards its own vendor's API and towards another vendor's, with a tool
// that it runs on this machine and whose result goes back to the model.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { CALLER_KEY, budget, records, route, setting, settled } from "../integration/lib/setup.mjs";

const claude = path.join(import.meta.dirname, "node_modules/.bin/claude");

async function run(t, url, prompt) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "weir-claude-"));
  t.after(() => fs.rmSync(home, { recursive: true, force: true }));
  const p = spawn(claude, ["-p", prompt, "--model", "claude-sonnet-4-5", "--allowedTools", "Bash"], {
    cwd: home, stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, HOME: home, ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: CALLER_KEY, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", IS_SANDBOX: "1" },
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
const plan = (c) => (/tool_result|"role":"tool"/.test(JSON.stringify(c.body.messages)) || !c.body.tools?.length
  ? { tokens: 4 }
  : { toolCall: { name: "Bash", args: { command: "echo weir-$((40+2))-here", description: "says so" } } });

for (const [provider, endpoint] of [["an", "/v1/messages"], ["oa", "/v1/chat/completions"]])
  test(`Claude Code towards ${endpoint}: a tool runs here and its result reaches the model`, async (t) => {
    const { mock, weir } = await setting(t, {
      budgets: budget("money", "{usd: 5}"), plan,
      more: route("claude", [[{ provider, model: "mock-small" }]], "  priority: 10\n  models: ['claude-*']"),
    });
    const { code, out } = await run(t, weir.url, "Say where you are.");
    assert.equal(code, 0, out);
    assert.match(out, /lor lor/);
    assert.ok(mock.calls.every((c) => c.path.startsWith(endpoint)), mock.calls.map((c) => c.path).join());
    assert.match(JSON.stringify(mock.calls.at(-1).body.messages), /weir-42-here/);
    assert.deepEqual(mock.problems, []);
    await records(weir, mock.calls.length);
    await settled(weir, "money", mock.bill);
  });
