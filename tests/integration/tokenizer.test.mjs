// Tokens are counted as the vocabularies' own program counts them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const BIN = resolve(ROOT, process.env.WEIR_BIN ?? "build/release/bin", "../bench/bench.tokenizer");
const require = createRequire(join(ROOT, "deploy/setup/package.json"));
const { Tiktoken } = require("tiktoken");

// The same numbers in every run: a failure can be looked at again.
function numbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const SCRAPS = [
  "a", "Z", "the", "Hello", "WORLD", "camelCase", "HTTPServer", "iPhone", "don't", "I'LL", "we're", "'s", "'T", "'ve", "'\u017f", "'d", "'",
  " ", "  ", "    ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\u00a0", "\u3000", "\u2028", "\u0085", "0", "12", "345", "6789", "3.14", "½", "Ⅷ", "٣", "१२३",
  "/", "//", "\n/", "!/\n/", "...", "=>", "{}", "();", "```", "—", "“", "€", "é", "e\u0301", "\u0301", "\u0301\u0301", "ñ", "ß", "ſ", "ǅ", "ʰ", "ª",
  "Привет", "мир", "ΑΒγδ", "Ελλάδα", "שלום", "مرحبا", "नमस्ते", "สวัสดี", "日本語", "漢字かな", "한국어", "ქართული", "Ⴀ", "🎉", "👩‍👩‍👧‍👦", "🇩🇪", "👍🏽",
  "\ufffd", "\u200b", "\u200d", "\ufeff", "\u0000", "\u001b", "\u007f", "<|endoftext|>", "<|im_start|>", "𝕏", "𝒜𝒷", "𐐀𐐨", "🄰", "㎏", "x\u0302Y\u0302z",
];

function* mixtures(count) {
  const below = numbers(7);
  for (let i = 0; i < count; i++) yield Array.from({ length: 1 + below(24) }, () => SCRAPS[below(SCRAPS.length)]).join("");
}

function* randomPoints(count) {
  const below = numbers(11);
  for (let i = 0; i < count; i++) {
    const most = [0x80, 0x800, 0x3000, 0x10000][below(4)];
    const codes = Array.from({ length: 1 + below(60) }, () => below(most)).filter((c) => c < 0xd800 || c > 0xdfff);
    yield String.fromCodePoint(...codes);
  }
}

function* sources() {
  for (const folder of ["common/base", "common/data", "tests/integration", "docs", "docs/decisions", "deploy/setup"])
    for (const name of readdirSync(join(ROOT, folder)))
      if (/\.(c|h|mjs|md|sh)$/.test(name)) {
        const text = readFileSync(join(ROOT, folder, name), "utf8");
        yield text;
        yield* text.split("\n").slice(0, 40);
      }
}

function* runs() {
  for (const scrap of ["a", "ab", "A", "Ab", "é", "漢", "🎉", "=", "-", " ", "\n", " \n", "\t", "0", "日本", "xY", "\u0301", "'", "'s"])
    for (const n of [1, 2, 3, 7, 16, 63, 127, 128, 129, 255, 256, 257, 300, 1000, 3000]) yield scrap.repeat(n);
}

const TEXTS = ["", ...mixtures(6000), ...randomPoints(3000), ...sources(), ...runs()];

function counted(kind, texts) {
  const input = Buffer.concat(texts.flatMap((text) => [Buffer.from(`${Buffer.byteLength(text)}\n`), Buffer.from(text), Buffer.from("\n")]));
  const run = spawnSync(BIN, [join(ROOT, "build/vocabulary"), kind], { input, maxBuffer: 1 << 26 });
  assert.equal(run.status, 0, `${BIN}: ${run.error ?? run.stderr}`);
  return run.stdout.toString().trim().split("\n");
}

for (const kind of ["cl100k", "o200k"])
  test(`${kind}: every text of a corpus of thousands has the count that tiktoken gives it`, () => {
    const data = require(`tiktoken/encoders/${kind}_base.json`);
    const theirs = new Tiktoken(data.bpe_ranks, data.special_tokens, data.pat_str);
    const ours = counted(kind, TEXTS);
    const wrong = [];
    TEXTS.forEach((text, i) => {
      const want = `${theirs.encode_ordinary(text).length} exact`;
      if (ours[i] !== want) wrong.push(`${JSON.stringify(text.slice(0, 80))}: ${ours[i]}, not ${want}`);
    });
    theirs.free();
    assert.ok(TEXTS.length > 9000);
    assert.equal(ours.length, TEXTS.length);
    assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} of ${TEXTS.length} differ`);
  });

test("a piece that is too long to merge counts as a bound, not below what is true", () => {
  const [line] = counted("o200k", ["a".repeat(70_000)]);
  assert.equal(line, "70000 bound");
});
