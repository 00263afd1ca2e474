// While packets are lost all the time, one fault after another: control planes and the database killed and stopped, proxies stopped and one
// killed, the network cut in two, clocks that step, full disks. Then ledger, records and the provider's own bill are the same to the nano-dollar, and the limit was kept.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { root } from "./lib/weir.mjs";

// A network and mounts of one's own: as root, with iptables. Else those faults are left out, and that is said.
const inside = "ip link set lo up && exec \"$0\" \"$@\"";
const own = spawnSync("unshare", ["--net", "--mount", "sh", "-c", "ip link set lo up && iptables -w -A INPUT -m statistic --mode random --probability 0.01 -j DROP"], { stdio: "ignore" }).status === 0;
const [proxies, calls] = process.env.WEIR_NIGHTLY ? [16, 12_500] : [5, 1_000];

for (const engine of ["sqlite", "postgres"])
  test(`B-03, B-05, S-16: chaos on ${engine}: ${proxies} proxies, ${calls} calls, and nothing is lost, counted twice or overspent`, async (t) => {
    if (!existsSync("/usr/bin/faketime")) t.diagnostic("LEFT OUT: clocks that step: they need Debian's package faketime");
    if (!own) t.diagnostic("LEFT OUT: packet loss, partition, full disks: they need root, unshare and iptables");
    const args = [path.join(root, "tests/integration/lib/chaos.mjs"), engine, String(proxies), String(calls)];
    const env = { ...process.env, ...(own && { WEIR_OWN_NETWORK: "1" }) };
    delete env.NODE_TEST_CONTEXT;
    const child = own ? spawn("unshare", ["--net", "--mount", "sh", "-c", inside, process.execPath, ...args], { env }) : spawn(process.execPath, args, { env });
    let out = "", err = "";
    child.stdout.on("data", (d) => (out += d));
    child.stderr.on("data", (d) => (err += d));
    t.after(() => child.kill("SIGKILL"));
    const [code] = await once(child, "close");
    assert.equal(code, 0, err.slice(-6000));
    t.diagnostic(out.trim());
  });
