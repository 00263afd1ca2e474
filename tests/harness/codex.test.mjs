// Codex itself, non-interactively, through Weir: towards its own vendor's API and towards others, with a tool that it runs on this
// machine and whose result goes back to the model.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { CALLER_KEY, budget, freePort, records, route, settled, testTls, until } from "../integration/lib/setup.mjs";
import { responsesSetting } from "../integration/lib/responses.mjs";

const codex = path.join(import.meta.dirname, "node_modules/.bin/codex");

const common = `
check_for_update_on_startup = false
approval_policy = "never"
sandbox_mode = "danger-full-access"
`;
// A provider block of ours; the model is one that takes functions as tools.
const custom = (url) => `
model = "gpt-5.1-codex"
model_provider = "weir"
${common}
[analytics]
enabled = false
[model_providers.weir]
name = "weir"
base_url = "${url}/v1"
env_key = "WEIR_KEY"
wire_api = "responses"
`;
// As it comes, with nothing but another base URL: it tries a WebSocket first.
const builtin = (url) => `
openai_base_url = "${url}/v1"
${common}
[analytics]
enabled = false
`;

async function run(t, config, prompt, flags = [], env = {}) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "weir-codex-"));
  t.after(() => fs.rmSync(home, { recursive: true, force: true }));
  fs.mkdirSync(path.join(home, ".codex"));
  fs.writeFileSync(path.join(home, ".codex/config.toml"), config);
  const p = spawn(codex, ["exec", "--skip-git-repo-check", ...flags, prompt], {
    cwd: home, stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, HOME: home, CODEX_HOME: path.join(home, ".codex"), WEIR_KEY: CALLER_KEY, CODEX_API_KEY: CALLER_KEY, ...env },
  });
  let out = "";
  p.stdout.on("data", (d) => (out += d));
  p.stderr.on("data", (d) => (out += d));
  const late = setTimeout(() => p.kill("SIGKILL"), 120_000);
  const code = await new Promise((r) => p.on("exit", r));
  clearTimeout(late);
  return { code, out };
}

// The shell tool, by whatever name this version has for it, with what it wants to be told.
function shell(body) {
  const tools = (body.tools ?? []).map((tool) => tool.function ?? tool);
  const tool = tools.find((f) => ["shell_command", "exec_command", "shell"].includes(f.name));
  const properties = (tool?.parameters ?? tool?.input_schema)?.properties ?? {};
  const command = "echo weir-$((40+2))-here";
  return tool && { name: tool.name, args: properties.cmd ? { cmd: command } : { command: properties.command?.type === "array" ? ["bash", "-lc", command] : command } };
}

const hasResult = (body) => /"type":"(function_call_output|custom_tool_call_output|tool_result)"|"role":"tool"/.test(JSON.stringify(body));

// The first answer asks for the tool; the one after its result ends the turn.
const plan = (c) => {
  const toolCall = hasResult(c.body) ? undefined : shell(c.body);
  return toolCall ? { toolCall } : { tokens: 4 };
};

for (const [provider, endpoint] of [["re", "/v1/responses"], ["oa", "/v1/chat/completions"], ["an", "/v1/messages"]])
  test(`Codex towards ${endpoint}: a tool runs here and its result reaches the model`, async (t) => {
    const { mock, weir } = await responsesSetting(t, {
      budgets: budget("money", "{usd: 5}"), plan,
      more: route("codex", [[{ provider, model: "mock-small" }]], "  priority: 10\n  models: ['gpt-*']"),
    });
    const { code, out } = await run(t, custom(weir.url), "Say where you are.");
    assert.equal(code, 0, out);
    assert.match(out, /lor lor/);
    assert.ok(mock.calls.length >= 2, out);
    assert.ok(mock.calls.every((c) => c.path === endpoint), mock.calls.map((c) => c.path).join());
    assert.match(JSON.stringify(mock.calls.at(-1).body), /weir-42-here/);
    assert.deepEqual(mock.problems, []);
    await records(weir, mock.calls.length);
    await settled(weir, "money", mock.bill);
  });

// Its default model has one tool that takes a script, in a namespace; other APIs get it as a function.
const script = 'const r = await tools.exec_command({cmd: "echo weir-$((40+2))-here"}); text(r);';
const scripted = (c) => {
  if (hasResult(c.body)) return { tokens: 4 };
  return { toolCall: c.path === "/v1/responses" ? { name: "exec", space: "functions", input: script } : { name: "functions__exec", args: { input: script } } };
};

for (const [provider, endpoint] of [["re", "/v1/responses"], ["oa", "/v1/chat/completions"], ["an", "/v1/messages"]])
  test(`Codex as it comes towards ${endpoint}: no WebSocket, so it goes on over HTTP at once; a script runs here and its result reaches the model`, async (t) => {
    const { mock, weir } = await responsesSetting(t, {
      budgets: budget("money", "{usd: 5}"), plan: scripted,
      more: route("codex", [[{ provider, model: "mock-small" }]], "  priority: 10\n  models: ['gpt-*']"),
    });
    const { code, out } = await run(t, builtin(weir.url), "Say where you are.");
    assert.equal(code, 0, out);
    assert.match(out, /lor lor/);
    assert.deepEqual(mock.calls.map((c) => c.path), [endpoint, endpoint]);
    assert.match(JSON.stringify(mock.calls[1].body), /weir-42-here/);
    assert.deepEqual(mock.problems, []);
    const list = await records(weir, 3);
    assert.deepEqual([...new Set(list.map((r) => r.status))].sort(), [200, 426]);
    await settled(weir, "money", mock.bill);
  });

test("Codex by the one line that Weir prints for it, with the built-in provider's answer", async (t) => {
  const { weir } = await responsesSetting(t, { more: `
apiVersion: weir.dev/v1alpha1
kind: Provider
metadata: {name: parrot}
spec: {dialect: echo}
---` + route("echo", [["parrot"]], "  priority: 10\n  models: [echo]") });
  const { code, out } = await run(t, common, "Say where you are.", ["-c", `openai_base_url=${weir.url}/v1`, "-m", "echo"]);
  assert.equal(code, 0, out);
  assert.ok(out.split("Say where you are.").length > 2, out);
});

// Over TLS it chooses HTTP/2 by ALPN.
for (const [name, config] of [["with a provider of ours", custom], ["as it comes", builtin]])
  test(`Codex over TLS by HTTP/2 and with a private CA, ${name}: a tool runs here and its result reaches the model`, async (t) => {
    const files = testTls();
    const dir = path.dirname(files.caFile);
    const port = await freePort();
    const { mock, weir } = await responsesSetting(t, {
      budgets: budget("money", "{usd: 5}"), plan: config === custom ? plan : scripted,
      proxyArgs: ["--listen-tls", `127.0.0.1:${port}`, "--tls-cert", path.join(dir, "srv.pem"), "--tls-key", path.join(dir, "srv.key")],
      more: route("codex", [[{ provider: "re", model: "mock-small" }]], "  priority: 10\n  models: ['gpt-*']"),
    });
    const { code, out } = await run(t, config(`https://localhost:${port}`), "Say where you are.", [], { SSL_CERT_FILE: files.caFile });
    assert.equal(code, 0, out);
    assert.match(out, /lor lor/);
    assert.match(JSON.stringify(mock.calls.at(-1).body), /weir-42-here/);
    assert.deepEqual(mock.problems, []);
    await until(async () => /^weir_client_http2_connections_total(\{.*\})? [1-9]/m.test(await weir.metrics()), "HTTP/2 to be counted");
    await settled(weir, "money", mock.bill);
  });
