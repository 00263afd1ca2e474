// Starts real weir-control and weir-proxy processes for a test, with folders and ports of their own.
import { spawn, execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
export const bin = path.join(root, process.env.WEIR_BIN ?? "build/release/bin");
export const artifacts = path.join(root, "build/artifacts");

export const CALLER_KEY = "weir_sk_canary_caller_77ab41";
export const sha256 = (s) => createHash("sha256").update(s).digest("hex");

export async function freePort() {
  const s = net.createServer().listen(0, "127.0.0.1");
  await once(s, "listening");
  const { port } = s.address();
  s.close();
  await once(s, "close");
  return port;
}

// Waits until fn gives something true; the error says what was waited for.
export async function until(fn, what, ms = 15_000) {
  const end = Date.now() + ms;
  let last;
  while (Date.now() < end) {
    try {
      const v = await fn();
      if (v) return v;
    } catch (e) {
      last = e;
    }
    await new Promise((r) => setTimeout(r, 10));
  }
  throw new Error(`waited ${ms} ms in vain for ${what}${last ? `: ${last.message}` : ""}`);
}

// A CA and a certificate for localhost, made once per run.
let tlsFiles;
export function testTls() {
  if (tlsFiles) return tlsFiles;
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-tls-"));
  const run = (...args) => execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
  run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=weir test CA",
    "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign");
  run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "srv.key", "-out", "srv.csr", "-subj", "/CN=localhost");
  fs.writeFileSync(path.join(dir, "ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n");
  run("x509", "-req", "-in", "srv.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "srv.pem", "-days", "2", "-extfile", "ext");
  process.on("exit", () => fs.rmSync(dir, { recursive: true, force: true }));
  const read = (f) => fs.readFileSync(path.join(dir, f));
  tlsFiles = { caFile: path.join(dir, "ca.pem"), ca: read("ca.pem"), options: { key: read("srv.key"), cert: Buffer.concat([read("srv.pem"), read("ca.pem")]) } };
  return tlsFiles;
}

// One process of ours: its output is kept, and it is ended with the test.
export class Proc {
  constructor(name, args, env = {}) {
    this.name = name;
    this.output = "";
    this.stdout = this.stderr = "";
    this.child = spawn(path.join(bin, name), args, { env: { PATH: process.env.PATH, HOME: os.tmpdir(), TSAN_OPTIONS: process.env.TSAN_OPTIONS ?? "", ...env }, stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout.on("data", (d) => { this.stdout += d; this.output += d; });
    this.child.stderr.on("data", (d) => { this.stderr += d; this.output += d; });
    this.exited = once(this.child, "close").then(([code, signal]) => ((this.code = code), (this.signal = signal), this.gone = true, { code, signal }));
  }
  get pid() {
    return this.child.pid;
  }
  async stop(signal = "SIGTERM", ms = 15_000) {
    if (this.gone) return;
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill("SIGKILL"), ms);
    await this.exited;
    clearTimeout(late);
  }
}

export const provider = (name, dialect, url, { caFile, extra = "" } = {}) => `
apiVersion: weir.dev/v1alpha1
kind: Provider
metadata: {name: ${name}}
spec:
  dialect: ${dialect}
  endpoint: ${url}
  credential: {env: MOCK_KEY}
${caFile ? `  tls: {caFile: ${caFile}}\n` : ""}${extra}
---`;

export const agent = (name = "tester", { key = CALLER_KEY, extra = "" } = {}) => `
apiVersion: weir.dev/v1alpha1
kind: Agent
metadata: {name: ${name}}
spec:
  project: proving
  team: weir
  keys: [{id: ${name}-key, sha256: ${sha256(key)}}]
${extra}
---`;

export const route = (name, groups, extra = "") => `
apiVersion: weir.dev/v1alpha1
kind: Route
metadata: {name: ${name}}
spec:
${extra}
  groups:
${groups.map((g) => `    - targets: [${g.map((t) => (typeof t === "string" ? `{provider: ${t}}` : JSON.stringify(t))).join(", ")}]`).join("\n")}
---`;

export const budget = (name, limit, { window = "total", extra = "" } = {}) => `
apiVersion: weir.dev/v1alpha1
kind: Budget
metadata: {name: ${name}}
spec:
  limit: ${limit}
  window: ${window}
${extra}
---`;

export const prices = `
apiVersion: weir.dev/v1alpha1
kind: PriceList
metadata: {name: mock}
spec:
  prices:
    - {model: mock-small, input: 0.15, output: 0.60, cacheRead: 0.075, cacheWrite: 0.1875, maxOutputTokens: 1000}
    - {model: mock-large, input: 3, output: 15, cacheRead: 0.30, cacheWrite: 3.75, maxOutputTokens: 4000}
---`;

export class Weir {
  // policy: YAML text, or {file: text}. proxies: how many. Everything ends with the test.
  static async start(t, { policy, proxies = 1, env = {}, proxyArgs = [], controlArgs = [], mockKey = "sk-provider-canary-5f1e" } = {}) {
    const w = new Weir();
    w.dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-test-"));
    w.policyDir = path.join(w.dir, "policy");
    w.controlState = path.join(w.dir, "control");
    w.socket = path.join(w.dir, "control.sock");
    w.env = { MOCK_KEY: mockKey, ...env };
    w.proxyArgs = proxyArgs;
    w.controlArgs = controlArgs;
    fs.mkdirSync(w.policyDir);
    fs.mkdirSync(w.controlState, { mode: 0o700 });
    for (const [f, text] of Object.entries(typeof policy === "string" ? { "policy.yaml": policy } : policy)) fs.writeFileSync(path.join(w.policyDir, f), text);
    w.apiPort = await freePort();
    w.proxies = [];
    t.after(() => w.stop(t));
    await w.startControl();
    for (let i = 0; i < proxies; i++) await w.startProxy(i);
    return w;
  }
  async startControl() {
    this.control = new Proc("weir-control", ["--state", this.controlState, "--policy", this.policyDir, "--grpc", `unix:${this.socket}`, "--api", `127.0.0.1:${this.apiPort}`, ...this.controlArgs], this.env);
    await this.waitReady(this.control, `http://127.0.0.1:${this.apiPort}/readyz`);
    this.token = fs.readFileSync(path.join(this.controlState, "admin.token"), "utf8").trim();
  }
  async startProxy(i, { wait = true } = {}) {
    const old = this.proxies[i];
    const p = { port: old?.port ?? (await freePort()), adminPort: old?.adminPort ?? (await freePort()), state: path.join(this.dir, `proxy${i}`) };
    fs.mkdirSync(p.state, { recursive: true, mode: 0o700 });
    p.accessLog = path.join(p.state, "access.log");
    p.url = `http://127.0.0.1:${p.port}`;
    p.admin = `http://127.0.0.1:${p.adminPort}`;
    p.proc = new Proc("weir-proxy", ["--state", p.state, "--control", `unix:${this.socket}`, "--listen", `127.0.0.1:${p.port}`, "--admin", `127.0.0.1:${p.adminPort}`,
      "--access-log", p.accessLog, "--node", `proxy${i}`, ...this.proxyArgs], this.env);
    this.proxies[i] = p;
    if (wait) await this.waitReady(p.proc, `${p.admin}/readyz`);
    return p;
  }
  async waitReady(proc, url) {
    await until(async () => {
      if (proc.gone) throw new Error(`${proc.name} ended: ${proc.output.slice(-2000)}`);
      return (await fetch(url)).status === 200;
    }, `${url}\n${proc.output.slice(-2000)}`);
  }
  get url() {
    return this.proxies[0].url;
  }
  async api(pathname, options = {}) {
    const r = await fetch(`http://127.0.0.1:${this.apiPort}/api/v1${pathname}`, { ...options, headers: { authorization: `Bearer ${this.token}`, ...options.headers } });
    const text = await r.text();
    if (!r.ok && !options.raw) throw new Error(`${pathname}: ${r.status} ${text}`);
    return options.raw ? { status: r.status, text } : JSON.parse(text);
  }
  writePolicy(text, file = "policy.yaml") {
    const to = path.join(this.policyDir, file);
    fs.writeFileSync(`${to}.tmp~`, text);
    fs.renameSync(`${to}.tmp~`, to);
  }
  async metrics(i = 0) {
    return (await fetch(`${this.proxies[i].admin}/metrics`)).text();
  }
  async stop(t) {
    await Promise.all([...this.proxies.map((p) => p.proc.stop()), this.control?.stop()]);
    for (const p of [this.control, ...this.proxies.map((x) => x.proc)])
      if (p && /AddressSanitizer|runtime error:|assertion failed/.test(p.output)) throw new Error(`${p.name}: ${p.output.slice(-4000)}`);
    if (!process.env.WEIR_KEEP) fs.rmSync(this.dir, { recursive: true, force: true });
    else t?.diagnostic(`kept ${this.dir}`);
  }
}
