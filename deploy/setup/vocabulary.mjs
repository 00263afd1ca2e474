// Makes the files that common/tokenizer maps: a vocabulary (byte strings in the order of their merging), a hash table
// over them, and the classes of all code points that its splitting asks for.
//   node vocabulary.mjs FOLDER
// Layout, little-endian, every part at a multiple of 8 (common/tokenizer/vocabulary.c reads it):
//   0 magic "WEIRBPE1"; 8 u32 version, splitting (1 cl100k, 2 o200k), tokens, slots, bytes, class blocks, longest, 0
//   40 u64 FNV-1a (64 bit, of the 32-bit words that follow); 48 slots of u32 hash, u32 token + 1; tokens + 1 offsets
//   (u32); the bytes; 0x1100 u16, the class block of each 256 code points; class blocks of 256 bytes
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const VERSION = 1;
const SPLITTINGS = { cl100k_base: 1, o200k_base: 2 };
const require = createRequire(import.meta.url);

// The order matters: the first that fits. Their numbers are enum weir_char_class.
const CLASSES = [
  [7, /[\r\n]/u], [6, /\p{White_Space}/u], [1, /[\p{Lu}\p{Lt}]/u], [2, /\p{Ll}/u], [3, /\p{L}/u], [4, /\p{M}/u], [5, /\p{N}/u],
];

function classOf(code) {
  if (code >= 0xd800 && code < 0xe000) return 0;
  const text = String.fromCodePoint(code);
  return CLASSES.find(([, of]) => of.test(text))?.[0] ?? 0;
}

function classTable() {
  const blocks = new Map();
  const index = Buffer.alloc(0x1100 * 2);
  for (let b = 0; b < 0x1100; b++) {
    const block = Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => classOf(b * 256 + i)));
    const key = block.toString("latin1");
    if (!blocks.has(key)) blocks.set(key, [blocks.size, block]);
    index.writeUInt16LE(blocks.get(key)[0], b * 2);
  }
  return { index, blocks: [...blocks.values()].map(([, block]) => block) };
}

// Lines of "! FIRST BASE64 BASE64 ...": tokens from rank FIRST on.
function tokensOf(ranks) {
  const tokens = [];
  for (const line of ranks.split("\n")) {
    const [, first, ...words] = line.split(" ");
    words.forEach((word, i) => (tokens[Number(first) + i] = Buffer.from(word, "base64")));
  }
  return Object.values(tokens); // a gap in the ranks changes no order
}

function hashOf(bytes) {
  let h = 0x811c9dc5;
  for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193);
  h ^= h >>> 15;
  return Math.imul(h, 0x2c1b3c6d) >>> 0;
}

function hashTable(tokens) {
  let slots = 1;
  while (slots < tokens.length * 2) slots *= 2;
  const table = new Uint32Array(slots * 2);
  tokens.forEach((token, id) => {
    const hash = hashOf(token);
    let at = hash & (slots - 1);
    while (table[at * 2 + 1]) at = (at + 1) & (slots - 1);
    table[at * 2] = hash;
    table[at * 2 + 1] = id + 1;
  });
  return table;
}

function checksum(body) {
  let h = 0xcbf29ce484222325n;
  const words = new Uint32Array(body.buffer, body.byteOffset, body.length / 4);
  // 64-bit products of numbers in two halves: a BigInt for each word would take seconds.
  let hi = Number(h >> 32n), lo = Number(h & 0xffffffffn);
  for (const word of words) {
    lo = (lo ^ word) >>> 0;
    // times 0x100000001b3: the low half times 0x1b3 carries, and the low half moves up by 40 bits.
    const low = lo * 0x1b3;
    hi = (Math.imul(hi, 0x1b3) + Math.floor(low / 0x100000000) + (lo << 8)) >>> 0;
    lo = low >>> 0;
  }
  h = (BigInt(hi) << 32n) | BigInt(lo);
  return h;
}

const padded = (buffer) => Buffer.concat([buffer, Buffer.alloc((8 - (buffer.length % 8)) % 8)]);

function fileOf(name, classes) {
  const tokens = tokensOf(require(`tiktoken/encoders/${name}.json`).bpe_ranks);
  const table = hashTable(tokens);
  const offsets = new Uint32Array(tokens.length + 1);
  tokens.forEach((token, id) => (offsets[id + 1] = offsets[id] + token.length));
  const body = Buffer.concat([
    Buffer.from(table.buffer), padded(Buffer.from(offsets.buffer)), padded(Buffer.concat(tokens)), classes.index, ...classes.blocks,
  ]);
  const head = Buffer.alloc(48);
  head.write("WEIRBPE1", "latin1");
  [VERSION, SPLITTINGS[name], tokens.length, table.length / 2, offsets[tokens.length], classes.blocks.length,
    tokens.reduce((most, token) => Math.max(most, token.length), 0), 0].forEach((n, i) => head.writeUInt32LE(n, 8 + i * 4));
  const copy = Buffer.from(new Uint8Array(body).buffer);
  head.writeBigUInt64LE(checksum(copy), 40);
  return Buffer.concat([head, body]);
}

const folder = process.argv[2];
mkdirSync(folder, { recursive: true });
const classes = classTable();
for (const name of Object.keys(SPLITTINGS)) {
  const path = join(folder, `${name}.bpe`);
  writeFileSync(`${path}.new`, fileOf(name, classes));
  renameSync(`${path}.new`, path);
}
