// Medians of what run.sh measured: the table for people, JSON lines for programs.
//   node report.mjs RAW.jsonl ADMISSION.jsonl OUT.jsonl
import fs from "node:fs";
import os from "node:os";
import { execFileSync } from "node:child_process";

const [rawFile, admissionFile, outFile] = process.argv.slice(2);
const read = (file) => fs.readFileSync(file, "utf8").trim().split("\n").map((l) => JSON.parse(l));
const rows = read(rawFile), admission = read(admissionFile);
const scenarios = [...new Set(rows.map((r) => r.scenario))].filter((s) => s !== "idle" && s !== "after");
const order = ["mock", "nginx"];
const subjects = [...new Set(rows.map((r) => r.subject))].sort((a, b) => (order.indexOf(b) - order.indexOf(a)) || a.localeCompare(b));

const median = (v) => { const s = [...v].sort((a, b) => a - b), m = s.length >> 1; return s.length % 2 ? s[m] : (s[m - 1] + s[m]) / 2; };
const all = [];
function keep(scenario, subject, metric, unit, values) {
  const usable = values.filter(Number.isFinite);
  if (usable.length) all.push({ scenario, subject, metric, unit, value: median(usable), spread: Math.max(...usable) - Math.min(...usable), rounds: usable.length });
}
const find = (scenario, subject, metric) => all.find((x) => x.scenario === scenario && x.subject === subject && x.metric === metric);

for (const scenario of scenarios)
  for (const subject of subjects) {
    const runs = rows.filter((r) => r.scenario === scenario && r.subject === subject);
    if (!runs.length) continue;
    const of = (metric, unit, f) => keep(scenario, subject, metric, unit, runs.map(f));
    const work = (r) => (r.unit === "chunk" ? r.chunks : r.calls);
    of(`cpu_per_${runs[0].unit}`, "us", (r) => r.cpu_us / work(r));
    of(`${runs[0].unit}s_per_second`, "1/s", (r) => work(r) / r.seconds);
    of("errors", "calls", (r) => r.http_errors + r.failures);
    of("private", "KiB", (r) => r.private_kib);
    of("resident", "KiB", (r) => r.resident_kib);
    if (runs[0].calls) {
      of("p50", "us", (r) => r.p50_us);
      of("p99", "us", (r) => r.p99_us);
    }
    if (runs[0].calls && runs[0].chunks) {
      of("first_token_p50", "us", (r) => r.first_p50_us);
      of("first_token_p99", "us", (r) => r.first_p99_us);
    }
    if (runs[0].chunks) {
      of("delay_p50", "us", (r) => r.delay_p50_us);
      of("delay_p99", "us", (r) => r.delay_p99_us);
    }
    // What the gateway adds is against the mock alone in the same round.
    const alone = (r, f) => f(rows.find((o) => o.scenario === scenario && o.subject === "mock" && o.round === r.round) ?? {});
    if (runs[0].calls && !runs[0].chunks && subject !== "mock") {
      of("added_p50", "us", (r) => r.p50_us - alone(r, (o) => o.p50_us));
      of("added_p99", "us", (r) => r.p99_us - alone(r, (o) => o.p99_us));
    }
  }
for (const when of ["idle", "after"])
  for (const r of rows.filter((x) => x.scenario === when)) {
    keep(when, r.subject, "private", "KiB", [r.private_kib]);
    keep(when, r.subject, "resident", "KiB", [r.resident_kib]);
  }
for (const metric of new Set(admission.map((r) => r.metric)))
  keep("admission", "weir", metric, "ns", admission.filter((r) => r.metric === metric).map((r) => r.value));
fs.writeFileSync(outFile, all.map((x) => JSON.stringify(x)).join("\n") + "\n");

// ---- the table ----

const figure = (x, digits = 3) => (x === undefined ? "-" : Math.abs(x) >= 1000 ? Math.round(x).toLocaleString("en-US") : String(Number(x.toPrecision(digits))));
const withSpread = (m) => (m ? `${figure(m.value)} ±${figure(m.spread / 2, 2)}` : "-");
function table(head, lines) {
  const widths = head.map((h, i) => Math.max(h.length, ...lines.map((l) => l[i].length)));
  const print = (l) => console.log("  " + l.map((c, i) => (i < 1 ? c.padEnd(widths[i]) : c.padStart(widths[i]))).join("  "));
  print(head);
  for (const l of lines) print(l);
}

const version = (cmd, args, pick) => { try { return pick(execFileSync(cmd, args, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" })); } catch { return "?"; } };
const release = fs.readFileSync("/etc/os-release", "utf8").match(/PRETTY_NAME="(.*)"/)?.[1] ?? "?";
const nginx = version("sh", ["-c", "nginx -v 2>&1"], (t) => t.trim().replace("nginx version: ", ""));
console.log(`Machine: ${os.cpus()[0]?.model.trim()}, ${os.cpus().length} cores, ${Math.round(os.totalmem() / 2 ** 30)} GiB, Linux ${os.release()}, ${release}, ${nginx}, load average ${os.loadavg()[0].toFixed(2)}`);
console.log(`Median of ${Math.max(...rows.map((r) => r.round))} interleaved round(s) over loopback, ± half the spread; one core for the subject, the other for mock and load.`);

for (const scenario of scenarios) {
  const { title, unit } = rows.find((r) => r.scenario === scenario);
  const streams = unit === "chunk";
  console.log(`\n${scenario}: ${title}`);
  table(
    ["subject", `CPU us/${unit}`, "of nginx", `${unit}s/s`, ...(streams ? ["delay p50 us", "p99"] : ["p50 us", "p99", "added p50", "p99"]), ...(find(scenario, "nginx", "first_token_p50") ? ["first token p50", "p99"] : []), "private KiB", "RSS", "errors"],
    subjects.filter((s) => find(scenario, s, "errors")).map((s) => {
      const get = (m) => find(scenario, s, m), value = (m) => figure(get(m)?.value);
      const cpu = get(`cpu_per_${unit}`), base = find(scenario, "nginx", `cpu_per_${unit}`);
      return [s, withSpread(cpu), cpu && base ? (cpu.value / base.value).toFixed(2) : "-", value(`${unit}s_per_second`),
        ...(streams ? [value("delay_p50"), value("delay_p99")] : [value("p50"), value("p99"), value("added_p50"), value("added_p99")]),
        ...(find(scenario, "nginx", "first_token_p50") ? [value("first_token_p50"), value("first_token_p99")] : []), value("private"), value("resident"), value("errors")];
    }),
  );
}

console.log("\nMemory in KiB: private (dirty) and resident");
table(["subject", "idle private", "RSS", "after load private", "RSS"],
  subjects.map((s) => [s, ...["idle", "after"].flatMap((w) => ["private", "resident"].map((m) => figure(find(w, s, m)?.value)))]));

console.log("\nWhat budgets cost a call, alone, in ns");
table(["step", "time"], all.filter((x) => x.scenario === "admission").map((x) => [x.metric, withSpread(x)]));

const bars = [];
const governed = "weir-governed";
for (const scenario of scenarios) {
  const { bar, unit } = rows.find((r) => r.scenario === scenario);
  const [ours, theirs, bare] = [governed, "nginx", "weir-bare"].map((s) => find(scenario, s, `cpu_per_${unit}`)?.value);
  if (ours && theirs) bars.push([`${scenario}: governed CPU per ${unit} against nginx`, (ours / theirs).toFixed(2), bar ? `<= ${bar}` : "none"]);
  if (ours && bare) bars.push([`${scenario}: governed against bare`, (ours / bare).toFixed(2), "none (aim 1.15)"]);
}
const [ourD, theirD] = [governed, "nginx"].map((s) => find("D", s, "delay_p99")?.value);
if (ourD && theirD) bars.push(["D: p99 of the delay against nginx", (ourD / theirD).toFixed(2), "none (aim 1.5)"]);
const [quiet, streaming] = ["idle", "D"].map((s) => find(s, governed, "private")?.value);
if (quiet && streaming) bars.push(["D: private memory a stream, KiB", ((streaming - quiet) / 1000).toFixed(1), "<= 16"]);
const [ourH, theirH] = [governed, "nginx"].map((s) => find("H", s, "added_p50")?.value);
if (ourH && theirH) bars.push(["H: added p50 against nginx, us", figure(ourH - theirH), "none (aim 20)"]);
const idle = find("idle", governed, "private")?.value;
const admit = all.find((x) => x.scenario === "admission" && x.metric.startsWith("admit p99,"))?.value;
if (admit) bars.push(["budget admission p99, us", (admit / 1000).toFixed(2), "<= 10"]);
if (idle) bars.push(["private memory idle, MiB", (idle / 1024).toFixed(2), "<= 4"]);
if (bars.length) {
  console.log("\nBars");
  table(["what", "measured", "bar"], bars);
}
