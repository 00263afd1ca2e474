// Lines that ran, by folder, from a build with gcc's coverage: node tests/coverage.mjs build/coverage
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";

const root = path.resolve(import.meta.dirname, "..");
const build = path.resolve(process.argv[2]);
const work = fs.mkdtempSync(path.join(build, "gcov-"));
const notes = fs.readdirSync(build, { recursive: true }).filter((f) => f.endsWith(".gcda")).map((f) => path.join(build, f));
const lines = new Map(); // file -> line -> ran

for (let i = 0; i < notes.length; i += 50)
  execFileSync("gcov", ["--json-format", "--preserve-paths", "--hash-filenames", ...notes.slice(i, i + 50)], { cwd: work, stdio: ["ignore", "ignore", "ignore"] });
for (const f of fs.readdirSync(work)) {
  const { files, current_working_directory: base } = JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(work, f))));
  for (const file of files) {
    const name = path.relative(root, path.resolve(base, file.file));
    if (!/^(common|dataplane|controlplane)\/.*\.[ch]$/.test(name)) continue;
    const of = lines.get(name) ?? lines.set(name, new Map()).get(name);
    for (const l of file.lines) of.set(l.line_number, (of.get(l.line_number) ?? 0) + l.count);
  }
}
fs.rmSync(work, { recursive: true });

const folders = new Map();
for (const [name, of] of lines) {
  const at = folders.get(path.dirname(name)) ?? folders.set(path.dirname(name), { all: 0, ran: 0, least: [] }).get(path.dirname(name));
  const ran = [...of.values()].filter((n) => n > 0).length;
  at.all += of.size;
  at.ran += ran;
  at.least.push([ran / of.size, path.basename(name)]);
}
const percent = (x) => `${(100 * x).toFixed(1)} %`.padStart(8);
let all = 0, ran = 0;
for (const [folder, f] of [...folders].sort()) {
  const least = f.least.filter(([share]) => share < 0.7).sort((a, b) => a[0] - b[0]).slice(0, 3);
  console.log(`${folder.padEnd(26)}${String(f.all).padStart(7)} lines${percent(f.ran / f.all)}  ${least.map(([s, n]) => `${n} ${(100 * s).toFixed(0)}`).join(", ")}`);
  all += f.all;
  ran += f.ran;
}
console.log(`${"all".padEnd(26)}${String(all).padStart(7)} lines${percent(ran / all)}`);
