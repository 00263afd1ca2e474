// Several control planes on one PostgreSQL that the test starts, and proxies that know the addresses of all.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { Proc, Weir, freePort, root, until } from "./weir.mjs";

export class Postgres {
  constructor() {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-pg-"));
    this.dsn = `postgresql:///postgres?host=${this.dir}&user=weir`;
  }
  async start({ standbyOf } = {}) {
    this.child = spawn(path.join(root, "tests/postgres.sh"), [this.dir], { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...(standbyOf && { STANDBY_OF: standbyOf.dir }) } });
    let said = "";
    this.child.stderr.on("data", (d) => (said += d));
    this.exited = once(this.child, "exit");
    const socket = path.join(this.dir, ".s.PGSQL.5432");
    await until(() => {
      if (this.child.exitCode !== null) throw new Error(said);
      return fs.existsSync(socket);
    }, `PostgreSQL to start ${said}`, 60_000);
    return this;
  }
  // SIGQUIT: as a power cut would.
  async stop(signal = "SIGQUIT") {
    this.child.kill(signal);
    await this.exited;
  }
  async sql(text) {
    const { stdout } = await promisify(execFile)("psql", ["-h", this.dir, "-U", "weir", "-d", "postgres", "-Atqc", text]);
    return stdout.trim();
  }
  async end() {
    await this.stop();
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

// A primary whose commits wait for a standby. The second takes over when the first is gone.
export class PostgresPair {
  constructor() {
    this.first = new Postgres();
    this.second = new Postgres();
    this.dsn = `postgresql:///postgres?host=${this.first.dir},${this.second.dir}&user=weir`;
  }
  async start() {
    await this.first.start();
    await this.second.start({ standbyOf: this.first });
    await this.first.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
    await this.first.sql("SELECT pg_reload_conf()");
    await until(async () => (await this.first.sql("SELECT sync_state FROM pg_stat_replication")) === "sync", "the standby to be waited for");
    return this;
  }
  // As when the first one's machine has burnt: nothing of it is asked.
  async failOver() {
    await this.first.stop("SIGQUIT");
    await this.second.sql("SELECT pg_promote()");
  }
  async end() {
    await Promise.all([this.first.end(), this.second.end()]);
  }
}

export class Replicas {
  // pg: null: one control plane on SQLite. envOf: what a process gets besides, by its name (control0, proxy3). prepare: what is done
  // to its state folder once it is there.
  static async start(t, { policy, controls = 3, proxies = 4, pg = new Postgres(), envOf = () => ({}), prepare = () => {}, mockKey = "sk-provider-canary-5f1e" }) {
    const r = new Replicas();
    r.dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-replicas-"));
    r.policy = policy;
    r.env = { MOCK_KEY: mockKey };
    r.controls = [];
    r.proxies = [];
    r.pg = pg;
    r.envOf = envOf;
    r.prepare = prepare;
    t.after(() => r.end());
    await r.pg?.start();
    for (let i = 0; i < controls; i++) {
      const dir = path.join(r.dir, `control${i}`);
      const c = { state: path.join(dir, "state"), policyDir: path.join(dir, "policy"), grpc: `127.0.0.1:${await freePort()}`, apiPort: await freePort() };
      fs.mkdirSync(c.state, { recursive: true, mode: 0o700 });
      prepare(`control${i}`, c.state);
      fs.mkdirSync(c.policyDir);
      fs.writeFileSync(path.join(c.policyDir, "policy.yaml"), policy);
      r.controls.push(c);
    }
    await Promise.all(r.controls.map((_, i) => r.startControl(i)));
    for (let i = 0; i < proxies; i++) await r.startProxy(i);
    return r;
  }
  async startControl(i, { wait = true } = {}) {
    const c = this.controls[i];
    c.proc = new Proc("weir-control", ["--state", c.state, "--policy", c.policyDir, ...(this.pg ? ["--store", this.pg.dsn] : []), "--grpc", c.grpc, "--api", `127.0.0.1:${c.apiPort}`],
      { ...this.env, ...this.envOf(`control${i}`) });
    if (wait) await this.ready(c);
    return c;
  }
  async ready(c) {
    // The methods of Weir that need no more than a port and a token.
    c.weir ??= Object.assign(new Weir(), { apiPort: c.apiPort });
    await c.weir.waitReady(c.proc, `http://127.0.0.1:${c.apiPort}/readyz`);
    c.weir.token = fs.readFileSync(path.join(c.state, "admin.token"), "utf8").trim();
  }
  // order: which control planes, by number; all by default. The token comes from the first that runs.
  async startProxy(i, { order = this.controls.map((_, k) => k), token, wait = true } = {}) {
    const p = this.proxies[i] ?? { port: await freePort(), adminPort: await freePort(), state: path.join(this.dir, `proxy${i}`) };
    if (!fs.existsSync(p.state)) {
      fs.mkdirSync(p.state, { recursive: true, mode: 0o700 });
      this.prepare(`proxy${i}`, p.state);
    }
    p.url = `http://127.0.0.1:${p.port}`;
    p.admin = `http://127.0.0.1:${p.adminPort}`;
    const join = path.join(this.dir, `join${i}`);
    const from = this.controls.find((c) => c.proc && !c.proc.gone);
    fs.writeFileSync(join, `${token ?? (await this.joinToken(from))}\n`, { mode: 0o600 });
    p.proc = new Proc("weir-proxy", ["--state", p.state, "--control", order.map((k) => this.controls[k].grpc).join(","), "--control-ca", path.join(this.controls[order[0]].state, "ca.crt"),
      "--join-token-file", join, "--listen", `127.0.0.1:${p.port}`, "--admin", `127.0.0.1:${p.adminPort}`, "--node", `proxy${i}`], { ...this.env, ...this.envOf(`proxy${i}`) });
    this.proxies[i] = p;
    if (wait) await new Weir().waitReady(p.proc, `${p.admin}/readyz`);
    return p;
  }
  async joinToken(c) {
    return (await c.weir.api("/join-tokens", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" })).token;
  }
  async stopProxies() {
    await Promise.all(this.proxies.map((p) => p.proc.stop()));
  }
  async end() {
    await this.stopProxies();
    await Promise.all(this.controls.map((c) => c.proc?.stop()));
    await this.pg?.end();
    for (const p of [...this.controls, ...this.proxies])
      if (p.proc && /AddressSanitizer|runtime error:|assertion failed/.test(p.proc.output)) throw new Error(`${p.proc.name}: ${p.proc.output.slice(-4000)}`);
    if (!process.env.WEIR_KEEP) fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
