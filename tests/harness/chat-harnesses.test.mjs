// OpenCode, Pi and Qwen Code themselves, non-interactively, through Weir, each by the line that `weir up` prints for it: towards
// Chat Completions, which they speak, and towards Anthropic Messages, with a tool that they run here.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { budget, CALLER_KEY, records, route, setting, settled } from "../integration/lib/setup.mjs";

const bin = (name) => join(import.meta.dirname, "node_modules/.bin", name);
const PROMPT = "Say where you are.";
const command = "expr 40 + 2 | sed s/^/weir-/";

const harnesses = {
  OpenCode: {
    tool: { name: "bash", args: { command, description: "says so" } },
    run: (url) => ({
      program: bin("opencode"), args: ["run", "-m", "weir/mock-small", PROMPT],
      env: { OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_AUTOUPDATE: "1", OPENCODE_CONFIG_CONTENT: JSON.stringify({ permission: { bash: "allow" },
        provider: { weir: { npm: "@ai-sdk/openai-compatible", options: { baseURL: `${url}/v1`, apiKey: CALLER_KEY }, models: { "mock-small": {} } } } }) },
    }),
  },
  Pi: {
    tool: { name: "bash", args: { command } },
    run: (url, home) => {
      fs.mkdirSync(join(home, ".pi/agent"), { recursive: true });
      fs.writeFileSync(join(home, ".pi/agent/models.json"),
        JSON.stringify({ providers: { weir: { baseUrl: `${url}/v1`, api: "openai-completions", apiKey: CALLER_KEY, models: [{ id: "mock-small" }] } } }));
      return { program: bin("pi"), args: ["--provider", "weir", "--model", "mock-small", "-p", PROMPT], env: { PI_OFFLINE: "1" } };
    },
  },
  "Qwen Code": {
    tool: { name: "run_shell_command", args: { command, description: "says so", is_background: false } },
    run: (url) => ({ program: bin("qwen"), args: ["--auth-type", "openai", "--yolo", "-p", PROMPT], env: { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: CALLER_KEY, OPENAI_MODEL: "mock-small" } }),
  },
};

async function run(t, harness, url) {
  const home = fs.mkdtempSync(join(os.tmpdir(), "weir-harness-"));
  t.after(() => fs.rmSync(home, { recursive: true, force: true, maxRetries: 5 }));
  const { program, args, env } = harness.run(url, home);
  const p = spawn(program, args, { cwd: home, stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, HOME: home, ...env } });
  let out = "";
  p.stdout.on("data", (d) => (out += d));
  p.stderr.on("data", (d) => (out += d));
  const late = setTimeout(() => p.kill("SIGKILL"), 120_000);
  const code = await new Promise((r) => p.on("exit", r));
  clearTimeout(late);
  return { code, out };
}

// The first answer to a call with tools asks for one; the answer to its result ends the turn. Titles are asked for without tools.
const answered = (c) => c.body.messages.some((m) => m.role === "tool" || JSON.stringify(m.content).includes("tool_result"));

for (const [name, harness] of Object.entries(harnesses))
  for (const [api, target, path] of [["Chat Completions", "oa", "/v1/chat/completions"], ["Anthropic Messages", "an", "/v1/messages"]])
    test(`${name} towards ${api}: a tool runs here and its result reaches the model`, async (t) => {
      const plan = (c) => (answered(c) || !c.body.tools ? { tokens: 4 } : { toolCall: harness.tool });
      const s = await setting(t, { plan, budgets: budget("money", "{usd: 10}"), more: route("cli", [[{ provider: target, model: "mock-small" }]], "  priority: 10\n  models: [mock-small]") });
      const { code, out } = await run(t, harness, s.weir.url);
      assert.equal(code, 0, out);
      assert.match(out, /lor lor/);
      assert.ok(s.mock.calls.every((c) => c.path === path), s.mock.calls.map((c) => c.path).join());
      assert.ok(s.mock.calls.some((c) => answered(c) && JSON.stringify(c.body).includes("weir-42")), out);
      assert.deepEqual(s.mock.problems, []);
      await records(s.weir, s.mock.calls.length);
      await settled(s.weir, "money", s.mock.bill);
    });
