// How far spending goes past a limit as callers grow in number: Weir, and a gateway that checks what is spent before a
// call and charges it after. Prints a table; build/overshoot.jsonl and build/overshoot.svg have the same. Asserts nothing.
//   node tests/bench/overshoot.mjs [callers ...]
// Both meet the same callers and a provider that takes 20 ms and bills on its own. Each has two proxies; the other's two
// share one counter without any delay, which is the best that a counter beside the gateway can do.
import fs from "node:fs";
import http from "node:http";
import { once } from "node:events";
import path from "node:path";
import { agent, budget, CALLER_KEY, chat, Mock, prices, provider, route, Weir } from "../integration/lib/setup.mjs";
import { root } from "../integration/lib/weir.mjs";

const LIMIT = 3_000_000n; // nano-USD: what 50 calls may cost at worst
const LIMIT_USD = "0.003";
const PROXIES = 2;
const levels = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1, 2, 4, 8, 16, 32, 64, 128, 256];

const scope = () => {
  const undo = [];
  return { after: (f) => undo.push(f), diagnostic: console.error, end: async () => { while (undo.length) await undo.pop()(); } };
};

async function provide(t) {
  const mock = await new Mock({ plan: (_, n) => ({ delayMs: 20, tokens: 60 + ((n * 37) % 41) }) }).start();
  t.after(() => mock.stop());
  return mock;
}

async function weir(t) {
  const mock = await provide(t);
  const w = await Weir.start(t, { policy: prices + agent() + provider("p", "openai", mock.url) + route("all", [["p"]]) + budget("money", `{usd: ${LIMIT_USD}}`), proxies: PROXIES });
  return { mock, urls: w.proxies.map((p) => p.url) };
}

async function checkThenCharge(t) {
  const mock = await provide(t);
  const urls = [];
  let spent = 0n;
  const serve = async (req, res) => {
    const parts = [];
    for await (const c of req) parts.push(c);
    if (spent >= LIMIT) return res.writeHead(402).end();
    const answer = await fetch(mock.url + req.url, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${mock.key}` }, body: Buffer.concat(parts) });
    const text = await answer.text();
    const { usage } = JSON.parse(text);
    spent += BigInt(usage.prompt_tokens) * 150n + BigInt(usage.completion_tokens) * 600n;
    res.writeHead(answer.status, { "content-type": "application/json" }).end(text);
  };
  for (let i = 0; i < PROXIES; i++) {
    const s = http.createServer(serve).listen(0, "127.0.0.1");
    await once(s, "listening");
    t.after(() => { s.closeAllConnections(); s.close(); });
    urls.push(`http://127.0.0.1:${s.address().port}`);
  }
  return { mock, urls };
}

// A caller goes on until it is refused while nobody else has a call open, or three times in a row.
async function call(urls, callers) {
  const body = JSON.stringify(chat({ max_tokens: 100 }));
  let open = 0;
  await Promise.all(Array.from({ length: callers }, async (_, i) => {
    for (let refused = 0; refused < 3;) {
      open++;
      const r = await fetch(`${urls[i % urls.length]}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${CALLER_KEY}` }, body });
      await r.arrayBuffer();
      open--;
      if (r.status === 200) refused = 0;
      else if (r.status !== 402) throw new Error(`status ${r.status}`);
      else if (open === 0) return;
      else refused++, await new Promise((done) => setTimeout(done, 25));
    }
  }));
}

const subjects = { weir, "check, then charge": checkThenCharge };
const rows = [];
for (const callers of levels)
  for (const [subject, start] of Object.entries(subjects)) {
    const t = scope();
    try {
      const { mock, urls } = await start(t);
      await call(urls, callers);
      rows.push({ subject, callers, limit_nano_usd: Number(LIMIT), billed_nano_usd: Number(mock.bill), percent: (100 * Number(mock.bill)) / Number(LIMIT) });
    } finally {
      await t.end();
    }
  }

// Both axes are logarithmic: callers, and what was billed in percent of the limit.
function svg() {
  const W = 640, H = 360, left = 60, bottom = 310, top = 30, right = 620, max = Math.max(200, ...rows.map((r) => r.percent)), min = 50;
  const x = (n) => left + ((right - left) * Math.log2(n)) / Math.log2(Math.max(2, ...levels));
  const y = (p) => bottom - ((bottom - top) * Math.log(Math.max(p, min) / min)) / Math.log(max / min);
  const text = (px, py, s, more = "") => `<text x="${px}" y="${py}" ${more}>${s}</text>`;
  const grid = [50, 100, 200, 400, 800, 1600].filter((p) => p <= max).map((p) => `<path d="M${left} ${y(p)}H${right}" stroke="${p === 100 ? "#333" : "#ddd"}"/>${text(left - 8, y(p) + 4, `${p} %`, 'text-anchor="end"')}`);
  const ticks = levels.map((n) => text(x(n), bottom + 18, n, 'text-anchor="middle"'));
  const lines = Object.keys(subjects).map((s, i) => {
    const points = rows.filter((r) => r.subject === s), colour = ["#0b7285", "#c92a2a"][i], last = points.at(-1);
    return `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map((r) => `${x(r.callers)},${y(r.percent)}`).join(" ")}"/>${text(right, y(last.percent) - 8, s, `text-anchor="end" fill="${colour}"`)}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${W}" height="${H}" font-family="sans-serif" font-size="12"><rect width="${W}" height="${H}" fill="#fff"/>
${[...grid, ...ticks, ...lines].join("\n")}
${text(left, 18, "billed by the provider, in percent of the limit")}${text(right, H - 12, "callers at once", 'text-anchor="end"')}</svg>\n`;
}

fs.mkdirSync(path.join(root, "build"), { recursive: true });
fs.writeFileSync(path.join(root, "build/overshoot.jsonl"), rows.map((r) => JSON.stringify(r)).join("\n") + "\n");
fs.writeFileSync(path.join(root, "build/overshoot.svg"), svg());
console.log("\nBilled in percent of a hard limit, by callers at once (100 is the limit; two proxies each)");
console.log(`  ${"callers".padStart(7)}${Object.keys(subjects).map((s) => s.padStart(22)).join("")}`);
for (const n of levels) console.log(`  ${String(n).padStart(7)}${Object.keys(subjects).map((s) => rows.find((r) => r.subject === s && r.callers === n).percent.toFixed(1).padStart(22)).join("")}`);
