// The weir command against a running control plane: what it prints, in which format, and with which exit code.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import YAML from "yaml";
import { CALLER_KEY, Proc, agent, budget, chat, clients, freePort, records, setting, until } from "./lib/setup.mjs";

const OK = 0, REFUSED = 1, USAGE = 2, NO_CONTROL = 3, NOT_FOUND = 4;

async function run(args, env = {}) {
  const p = new Proc("weir", args, { NO_COLOR: "1", ...env });
  const late = setTimeout(() => p.stop("SIGKILL"), 20_000);
  const { code } = await p.exited;
  clearTimeout(late);
  assert.doesNotMatch(p.output, /AddressSanitizer|runtime error:/);
  return { code, out: p.stdout, err: p.stderr, all: p.output };
}

const at = (weir) => (...args) => run(["--state", weir.controlState, "--api", `127.0.0.1:${weir.apiPort}`, ...args]);

const BAD = `apiVersion: weir.dev/v1alpha1
kind: Budget
metadata: {name: wrong}
spec:
  limit: {usd: lots}
  window: fortnight
  mod: hard
---
apiVersion: weir.dev/v1alpha1
kind: Rooute
metadata: {name: r}
spec: {}
---
apiVersion: weir.dev/v1alpha1
kind: Agent
metadata: {name: 7up!}
spec:
  keys: [{id: k, sha256: xyz}]
`;

test("validate lists every error as file:line: kind/name: path: what, without a control plane", async (t) => {
  const dir = fs.mkdtempSync("/tmp/weir-cli-");
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const good = path.join(dir, "good.yaml"), bad = path.join(dir, "bad.yaml");
  fs.writeFileSync(good, agent() + budget("b", "{usd: 1}"));
  fs.writeFileSync(bad, BAD);
  const fine = await run(["validate", "-f", good]);
  assert.equal(fine.code, OK, fine.all);
  assert.match(fine.out, /^valid: 2 objects in 1 file$/m);
  const refused = await run(["validate", "-f", bad]);
  assert.equal(refused.code, REFUSED);
  const line = (n, rest) => new RegExp(`^[^\\s:]*bad\\.yaml:${n}: ${rest}`, "m");
  assert.match(refused.err, line(5, "Budget/wrong: spec\\.limit\\.usd: "));
  assert.match(refused.err, line(6, "Budget/wrong: spec\\.window: "));
  assert.match(refused.err, line(7, "Budget/wrong: spec\\.mod: "));
  assert.match(refused.err, line(10, ".*Rooute"));
  assert.match(refused.err, line(16, "Agent/7up!: metadata\\.name: "));
  assert.match(refused.err, line(18, "Agent/7up!: spec\\.keys\\[0\\]\\.sha256: "));
  const json = await run(["validate", "-f", bad, "-o", "json"]);
  assert.equal(json.code, REFUSED);
  const { valid, errors } = JSON.parse(json.out);
  assert.equal(valid, false);
  assert.deepEqual(errors.map((e) => e.line).sort((a, b) => a - b), [...new Set(errors.map((e) => e.line))].sort((a, b) => a - b));
  assert.ok(errors.length >= 6 && errors.every((e) => e.file && e.message));
  assert.equal((await run(["validate", "-f", path.join(dir, "missing.yaml")])).code, NOT_FOUND);
});

test("wrong usage is 2, no control plane 3, a wrong token 1, an unknown object 4; each says what to do", async (t) => {
  const { weir } = await setting(t);
  const weirCli = at(weir);
  for (const args of [["frobnicate"], ["get"], ["get", "budgets", "-o", "xml"], ["apply"], ["spend", "--nonsense"]]) {
    const r = await run(args);
    assert.equal(r.code, USAGE, `${args}: ${r.all}`);
    assert.match(r.err, /weir help/);
  }
  const free = await freePort();
  const alone = await run(["--state", weir.controlState, "--api", `127.0.0.1:${free}`, "get", "all"]);
  assert.equal(alone.code, NO_CONTROL, alone.all);
  assert.match(alone.err, new RegExp(`127\\.0\\.0\\.1:${free}`));
  const wrong = await run(["--api", `127.0.0.1:${weir.apiPort}`, "get", "all"], { WEIR_TOKEN: "not-the-token" });
  assert.equal(wrong.code, REFUSED, wrong.all);
  assert.match(wrong.err, /token/i);
  assert.doesNotMatch(wrong.all, /not-the-token/);
  const none = await weirCli("get", "budget", "nowhere");
  assert.equal(none.code, NOT_FOUND, none.all);
  assert.equal((await weirCli("trace", "req_nowhere")).code, NOT_FOUND);
  assert.equal((await weirCli("keys", "revoke", "nowhere")).code, NOT_FOUND);
  assert.equal((await weirCli("explain", "Budget.spec.nowhere")).code, NOT_FOUND);
  const version = await weirCli("version", "-o", "json");
  assert.ok(JSON.parse(version.out)["weir-control"]);
});

test("get and describe: tables for people, JSON and YAML for programs, that apply takes back unchanged", async (t) => {
  const { weir } = await setting(t, { budgets: budget("money", "{usd: 5}", { window: "day" }) });
  const weirCli = at(weir);
  const table = await until(async () => {
    const r = await weirCli("get", "all");
    return /Budget\s+money\s+default\s+yes\s+yes/.test(r.out) && r;
  }, "the budget in force");
  assert.match(table.out, /^KIND\s+NAME\s+NAMESPACE\s+ACCEPTED\s+IN FORCE\s+ORIGIN/);
  for (const name of ["Agent\\s+tester", "Provider\\s+oa", "Route\\s+all", "PriceList\\s+mock"]) assert.match(table.out, new RegExp(name));
  const list = JSON.parse((await weirCli("get", "budgets", "-o", "json")).out);
  assert.equal(list.length, 1);
  assert.equal(list[0].metadata.name, "money");
  const inYaml = YAML.parse((await weirCli("get", "budgets", "-o", "yaml")).out);
  assert.equal(inYaml[0].metadata.name, "money");
  const one = await weirCli("get", "budget", "money", "-o", "yaml");
  assert.equal(YAML.parse(one.out).spec.window, "day");
  const described = await weirCli("describe", "budget", "money");
  assert.match(described.out, /1 of 1 enforce it/);
  assert.match(described.out, /policy\.yaml/);
  const file = path.join(weir.dir, "back.yaml");
  fs.writeFileSync(file, one.out);
  const same = await weirCli("diff", "-f", file);
  assert.equal(same.code, OK, same.all);
  assert.match(same.out, /no difference/);
});

test("apply, diff, dry run and delete change the policy folder, all or nothing", async (t) => {
  const { weir, openai } = await setting(t);
  const weirCli = at(weir);
  const file = path.join(weir.dir, "new.yaml"), before = () => weirCli("get", "budgets", "-o", "json").then((r) => JSON.parse(r.out));
  fs.writeFileSync(file, budget("blocker", "{usd: 0}") + budget("second", "{requests: 9}"));
  const diff = await weirCli("diff", "-f", file);
  assert.equal(diff.code, REFUSED, diff.all);
  assert.match(diff.out, /^\+.*usd: 0/m);
  assert.equal((await weirCli("apply", "-f", file, "--dry-run")).code, OK);
  assert.equal((await before()).length, 0);
  const applied = await weirCli("apply", "-f", file);
  assert.equal(applied.code, OK, applied.all);
  assert.match(applied.out, /Budget default\/blocker created/);
  await until(async () => (await openai.chat.completions.create(chat()).then(() => 200, (e) => e.status)) === 402, "the new budget to be enforced");
  const half = path.join(weir.dir, "half.yaml");
  fs.writeFileSync(half, `${budget("third", "{usd: 1}")}\n${BAD}`);
  const refused = await weirCli("apply", "-f", half);
  assert.equal(refused.code, REFUSED, refused.all);
  assert.match(refused.err, /half\.yaml:\d+: Budget\/wrong: spec\.limit\.usd: /);
  assert.ok(!(await before()).some((b) => b.metadata.name === "third"));
  const dangling = path.join(weir.dir, "dangling.yaml");
  fs.writeFileSync(dangling, "apiVersion: weir.dev/v1alpha1\nkind: Route\nmetadata: {name: lost}\nspec:\n  groups:\n    - targets: [{provider: nobody}]\n");
  const lost = await weirCli("apply", "-f", dangling);
  assert.equal(lost.code, REFUSED, lost.all);
  assert.match(lost.err, /Route\/lost: spec\.groups\[0\]\.targets\[0\]\.provider: /);
  const gone = await weirCli("delete", "budget", "blocker");
  assert.equal(gone.code, OK, gone.all);
  await until(async () => (await openai.chat.completions.create(chat()).then(() => 200, (e) => e.status)) === 200, "the budget to be gone");
  assert.equal((await weirCli("delete", "budget", "blocker")).code, NOT_FOUND);
});

test("keys are shown once, work, are listed without the key, and stop when revoked", async (t) => {
  const { weir } = await setting(t);
  const weirCli = at(weir);
  const made = await weirCli("keys", "create", "tester", "--id", "night", "--expires", "2h");
  assert.equal(made.code, OK, made.all);
  const key = made.out.trim();
  assert.match(key, /^\S{20,}$/);
  assert.match(made.err, /keys revoke night/);
  const { openai } = clients(weir.url, key);
  const status = () => openai.chat.completions.create(chat()).then(() => 200, (e) => e.status);
  await until(async () => (await status()) === 200, "the key to work");
  const listed = await weirCli("keys", "list");
  assert.match(listed.out, /night\s+tester\s+default\s+active/);
  assert.ok(!(await weirCli("keys", "list", "-o", "json")).out.includes(key));
  assert.equal((await weirCli("keys", "create", "nobody")).code === OK, false);
  assert.equal((await weirCli("keys", "revoke", "night")).code, OK);
  await until(async () => (await status()) === 401, "the key to stop");
});

test("spend, top, calls, trace, budgets and fleet show what calls cost, and agree with the API", async (t) => {
  const { weir, openai, anthropic, mock } = await setting(t, { budgets: budget("money", "{usd: 5}") });
  const weirCli = at(weir);
  await openai.chat.completions.create(chat());
  await anthropic.messages.create(chat({ model: "mock-large" }));
  const list = await records(weir, 2);
  const spend = JSON.parse((await weirCli("spend", "--by", "agent,model", "-o", "json")).out);
  assert.equal(BigInt(spend.total.costNano), mock.bill);
  assert.deepEqual(spend.groups.map((g) => g.key).sort(), [["tester", "mock-large"], ["tester", "mock-small"]]);
  assert.match((await weirCli("spend")).out, /^AGENT MODEL/);
  assert.match((await weirCli("top")).out, /mock-large/);
  assert.match((await weirCli("calls", "--agent", "tester")).out, /mock-small/);
  const trace = await weirCli("trace", list[0].id);
  assert.equal(trace.code, OK, trace.all);
  assert.match(trace.out, /attempt 1: (oa|an)/);
  assert.match(trace.out, /budget default\/money/);
  const raw = YAML.parse((await weirCli("trace", list[0].id, "-o", "yaml")).out);
  assert.equal(raw.id, list[0].id);
  const budgets = await until(async () => {
    const b = JSON.parse((await weirCli("budgets", "money", "-o", "json")).out).items[0];
    return BigInt(b.settled) === mock.bill && b;
  }, "the ledger to settle");
  assert.equal(budgets.unit, "usd");
  assert.match((await weirCli("budgets")).out, /default\/money/);
  assert.match((await weirCli("fleet")).out, /proxy0/);
  assert.equal((await weirCli("spend", "--by", "nonsense")).code, REFUSED);
  const login = await weirCli("login");
  assert.match(login.out, /#login=\S+/);
  assert.ok(!login.all.includes(CALLER_KEY));
});

test("explain knows every kind and the fields of a path; completion and help are there for each shell and command", async () => {
  const kinds = await run(["explain"]);
  for (const k of ["Agent", "Budget", "PriceList", "Provider", "Route"]) assert.match(kinds.out, new RegExp(k));
  const limit = await run(["explain", "Budget.spec.limit"]);
  assert.equal(limit.code, OK);
  for (const f of ["usd", "tokens", "requests"]) assert.match(limit.out, new RegExp(f));
  for (const shell of ["bash", "zsh", "fish"]) assert.match((await run(["completion", shell])).out, /budgets/);
  assert.equal((await run(["completion", "csh"])).code, USAGE);
  const help = await run(["help", "spend"]);
  assert.match(help.out, /--by LABELS/);
});

test("prices: lists what is in force and says what a call would cost, as the ledger would charge it", async (t) => {
  const { mock, weir, openai } = await setting(t, { budgets: budget("money", "{usd: 1}"), plan: () => ({ tokens: 7 }) });
  const weirCli = at(weir);
  const listed = await weirCli("prices", "--match", "mock-");
  assert.equal(listed.code, OK, listed.all);
  assert.match(listed.out, /mock-small\s+\$0\.15\d*\s+\$0\.60/);
  await openai.chat.completions.create(chat());
  const { input, output } = mock.calls[0].usage;
  const cost = await weirCli("prices", "mock-small", "--input", String(input), "--output-tokens", String(output), "-o", "json");
  assert.equal(BigInt(JSON.parse(cost.out).costNano), mock.bill);
  assert.match((await weirCli("prices", "mock-small")).out, /costs\s+\$0\.75/);
  const unknown = await weirCli("prices", "nobody-knows");
  assert.equal(unknown.code, NOT_FOUND);
  assert.match(unknown.err, /nobody-knows[\s\S]*PriceList/);
  assert.notEqual((await weirCli("prices", "mock-small", "--input", "many")).code, OK);
});

test("prices: the text of a file is counted, exactly where the model's vocabulary is known, else bounded by its bytes", async (t) => {
  const { weir } = await setting(t, {});
  const weirCli = at(weir);
  const dir = fs.mkdtempSync("/tmp/weir-cli-");
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const file = path.join(dir, "prompt.txt");
  fs.writeFileSync(file, "hello world");
  const tokens = (r) => JSON.parse(r.out).parts.find((p) => p.kind === "input").tokens;
  const known = await weirCli("prices", "gpt-4o", "--input", file, "--output-tokens", "0", "-o", "json");
  assert.equal(known.code, OK, known.all);
  assert.equal(tokens(known), 2);
  assert.match(known.err, /: 2 tokens \(o200k_base\)/);
  const bounded = await weirCli("prices", "mock-small", "--input", file, "-o", "json");
  assert.equal(tokens(bounded), 11);
  assert.match(bounded.err, /at most 11 tokens/);
});
