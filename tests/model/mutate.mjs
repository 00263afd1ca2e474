// Puts one of mutations.mjs into a copy of its source, compiles that one file, links the programs that must notice with it in the
// place of the sound one, and runs them until one fails.
//   mutate.mjs list          their names
//   mutate.mjs BUILD NAME    exit code 0: noticed
//   mutate.mjs BUILD none    the programs, linked in the same way without a mistake, pass
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { mutations } from "./mutations.mjs";

const root = path.resolve(import.meta.dirname, "../..");
const RUN_MS = 120_000;

function fail(text) {
  console.error(text);
  process.exit(1);
}

const [build, name] = process.argv.slice(2);
if (build === "list") {
  console.log(mutations.map((m) => m.name).join("\n"));
  process.exit(0);
}

// The line that the build itself uses, less what the shell around it needs.
function commandFor(target) {
  const lines = execFileSync("ninja", ["-C", build, "-t", "commands", target], { encoding: "utf8", maxBuffer: 1 << 28 }).trim().split("\n");
  return lines.at(-1).replace(/^: && /, "").replace(/ && :\s*$/, "");
}

function shell(command, what) {
  const r = spawnSync("sh", ["-c", command], { cwd: build, encoding: "utf8" });
  if (r.status !== 0) fail(`${what}\n${r.stdout}${r.stderr}`);
}

function compile(mutation, to) {
  const source = path.join(root, mutation.file);
  const text = fs.readFileSync(source, "utf8");
  const parts = text.split(mutation.from);
  if (parts.length !== 2) fail(`${mutation.name}: ${mutation.file} has its text ${parts.length - 1} times: the mutation needs to follow the code`);
  const changed = path.join(to, path.basename(mutation.file)), object = changed.replace(/\.c$/, ".o");
  fs.writeFileSync(changed, parts.join(mutation.to));
  const entry = JSON.parse(fs.readFileSync(path.join(build, "compile_commands.json"), "utf8")).find((e) => e.file === source);
  if (!entry) fail(`${mutation.file} is not a part of this build`);
  // Code that a mistake leaves without use is no reason not to build it.
  shell(entry.command.replace(/ -o \S+/, ` -o '${object}'`).replace(/ -c \S+/, ` -Wno-unused -c '${changed}'`), `${mutation.name} does not compile`);
  return object;
}

// An object before the libraries defines what the library's member would, which so stays out.
function link(program, object, to) {
  const out = path.join(to, path.basename(program));
  shell(commandFor(program).replace(/ -o (\S+)/, ` ${object ? `'${object}'` : ""} -o '${out}'`), `${program} can't be linked`);
  return out;
}

function passes(program, to) {
  const r = spawnSync(program, { cwd: to, encoding: "utf8", timeout: RUN_MS, maxBuffer: 1 << 28 });
  return { ok: r.status === 0, said: `${r.stdout}${r.stderr}`.split("\n").filter((l) => /FAILED|ERROR|broken|I[1-8]/.test(l)).slice(0, 3).join("\n") };
}

const to = path.join(path.resolve(build), "mutants", name);
fs.rmSync(to, { recursive: true, force: true });
fs.mkdirSync(to, { recursive: true });
if (name === "none") {
  for (const program of new Set(mutations.flatMap((m) => m.by))) if (!passes(link(program, null, to), to).ok) fail(`${program} fails without a mistake`);
} else {
  const mutation = mutations.find((m) => m.name === name) ?? fail(`no such mutation: ${name}`);
  const object = compile(mutation, to);
  const noticed = mutation.by.some((program) => {
    const r = passes(link(program, object, to), to);
    if (!r.ok) console.log(`${program} notices that ${mutation.what}\n${r.said}`);
    return !r.ok;
  });
  if (!noticed) fail(`nobody notices that ${mutation.what} (${mutation.by.join(", ")})`);
}
fs.rmSync(to, { recursive: true, force: true });
