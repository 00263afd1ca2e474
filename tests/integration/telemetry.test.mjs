// What Weir tells of a call: the access log, metrics, spans for a collector, and the control plane's record, once each.
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { once } from "node:events";
import { test } from "node:test";
import { chat, budget, records, setting, spend, until } from "./lib/setup.mjs";
import { root } from "./lib/weir.mjs";

const outcome = (p) => p.then(() => 200, (e) => e.status);
const accessLines = (weir) => fs.readFileSync(weir.proxies[0].accessLog, "utf8").split("\n").filter(Boolean).map((l) => JSON.parse(l));

// Protocol buffers, as far as a trace needs them: fields by number, in order.
function fields(b) {
  const out = [];
  const varint = () => {
    let v = 0n, shift = 0n;
    for (;;) {
      const byte = b[at++];
      v |= BigInt(byte & 127) << shift;
      if (byte < 128) return v;
      shift += 7n;
    }
  };
  let at = 0;
  while (at < b.length) {
    const tag = Number(varint());
    const n = tag >> 3, wire = tag & 7;
    if (wire === 0) out.push([n, varint()]);
    else if (wire === 1) out.push([n, b.readBigUInt64LE((at += 8) - 8)]);
    else {
      assert.equal(wire, 2, "wire type");
      const size = Number(varint());
      out.push([n, b.subarray(at, (at += size))]);
    }
  }
  assert.equal(at, b.length);
  return out;
}
const every = (b, n) => fields(b).filter(([k]) => k === n).map(([, v]) => v);
const one = (b, n) => every(b, n)[0];
function attributes(list) {
  return Object.fromEntries(list.map((kv) => {
    const [[kind, v]] = fields(one(kv, 2));
    return [one(kv, 1).toString(), kind === 1 ? v.toString() : kind === 2 ? v === 1n : BigInt.asIntN(64, v)];
  }));
}
function spansOf(body) {
  return every(body, 1).flatMap((resource) => {
    const from = attributes(every(one(resource, 1), 1));
    return every(resource, 2).flatMap((scope) => every(scope, 2).map((s) => ({
      resource: from, traceId: one(s, 1).toString("hex"), spanId: one(s, 2).toString("hex"), parent: one(s, 4)?.toString("hex"),
      name: one(s, 5).toString(), kind: Number(one(s, 6)), start: one(s, 7), end: one(s, 8), attributes: attributes(every(s, 9)),
      status: one(s, 15) ? Number(one(one(s, 15), 3)) : 0 })));
  });
}

async function collector(t, answers = []) {
  const got = { requests: [], spans: [] };
  const server = http.createServer(async (req, res) => {
    const chunks = [];
    for await (const c of req) chunks.push(c);
    const status = answers.shift() ?? 200;
    got.requests.push({ method: req.method, url: req.url, type: req.headers["content-type"], status });
    if (status === 200) got.spans.push(...spansOf(Buffer.concat(chunks)));
    res.writeHead(status, { "content-type": "application/x-protobuf", ...(status === 503 && { "retry-after": "0" }) }).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => { server.closeAllConnections(); server.close(); });
  got.url = `http://127.0.0.1:${server.address().port}`;
  return got;
}

test("access log: a JSON line per call, with the caller, the model, tokens, cost, time and trace; none for health checks", async (t) => {
  const { weir, openai, anthropic, mock } = await setting(t, { routeExtra: "  models: ['mock-*']" });
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  await openai.chat.completions.create(chat(), { headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01` } });
  for await (const _ of await anthropic.messages.create(chat({ stream: true, model: "mock-large" })));
  await outcome(openai.chat.completions.create(chat({ model: "nowhere" })));
  await fetch(`${weir.proxies[0].admin}/healthz`);
  const lines = await until(() => { const l = accessLines(weir); return l.length >= 3 && l; }, "three lines");
  const [first, second, third] = lines;
  assert.equal(lines.length, 3);
  assert.equal(first.trace_id, trace);
  assert.match(first.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(first["weir.agent"], "tester");
  assert.equal(first["gen_ai.request.model"], "mock-small");
  assert.equal(first["gen_ai.provider.name"], "oa");
  assert.equal(first["gen_ai.usage.input_tokens"], mock.calls[0].usage.input);
  assert.equal(first["gen_ai.usage.output_tokens"], 10);
  assert.equal(BigInt(first["weir.cost_nano_usd"]), mock.calls[0].cost);
  assert.equal(first["http.response.status_code"], 200);
  assert.ok(first["weir.duration_us"] > 0 && first["weir.duration_us"] < 5_000_000);
  assert.equal(second["weir.dialect"], "anthropic");
  assert.equal(BigInt(second["weir.cost_nano_usd"]), mock.calls[1].cost);
  assert.equal(third["weir.outcome"], "refused");
  assert.equal(third["http.response.status_code"], 404);
  assert.equal(new Set(lines.map((l) => l["weir.request_id"])).size, 3);
});

test("SIGHUP: the access log is opened anew after a rotation, no line is lost", async (t) => {
  const { weir, openai } = await setting(t);
  const log = weir.proxies[0].accessLog;
  await openai.chat.completions.create(chat());
  await until(() => accessLines(weir).length === 1, "a line");
  fs.renameSync(log, `${log}.1`);
  weir.proxies[0].proc.child.kill("SIGHUP");
  await until(() => fs.existsSync(log), "the new file");
  await openai.chat.completions.create(chat());
  await until(() => accessLines(weir).length === 1, "a line in the new file");
  assert.equal(fs.readFileSync(`${log}.1`, "utf8").trim().split("\n").length, 1);
});

// The text format, strictly: HELP and TYPE once before a family's samples, no sample twice, histograms that add up.
function exposition(text) {
  const types = new Map(), samples = new Map();
  let current;
  assert.ok(text.endsWith("\n"));
  for (const line of text.trimEnd().split("\n")) {
    const meta = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (meta) {
      if (meta[1] === "TYPE") {
        assert.ok(!types.has(meta[2]), `TYPE of ${meta[2]} twice`);
        types.set(meta[2], meta[3]);
        current = meta[2];
      }
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (-?[\d.e+-]+|\+Inf|NaN)$/.exec(line);
    assert.ok(sample, `not a sample: ${line}`);
    const family = types.get(current) === "histogram" ? sample[1].replace(/_(bucket|sum|count)$/, "") : sample[1];
    assert.equal(family, current, `${sample[1]} stands outside its family`);
    const id = sample[1] + (sample[2] ?? "");
    assert.ok(!samples.has(id), `${id} twice`);
    samples.set(id, Number(sample[3]));
  }
  return { types, samples };
}

test("metrics: valid exposition, few labels, numbers that agree with the provider", async (t) => {
  const { weir, openai, anthropic, mock } = await setting(t, { budgets: budget("money", "{usd: 5}") });
  for (let i = 0; i < 3; i++) await openai.chat.completions.create(chat());
  for await (const _ of await anthropic.messages.create(chat({ stream: true })));
  await outcome(openai.chat.completions.create(chat({ model: "nowhere" })));
  const { types, samples } = await until(async () => {
    const m = exposition(await weir.metrics());
    return [...m.samples].filter(([k]) => /^weir_calls_total.*outcome="ok"/.test(k)).reduce((n, [, v]) => n + v, 0) === 4 && m;
  }, "four calls in the metrics");
  const sum = (re) => [...samples].filter(([k]) => re.test(k)).reduce((n, [, v]) => n + v, 0);
  assert.equal(BigInt(sum(/^weir_cost_nano_usd_total/)), mock.bill);
  assert.equal(sum(/^gen_ai_client_token_usage_sum.*output/), mock.calls.reduce((n, c) => n + c.usage.output, 0));
  assert.equal(types.get("gen_ai_server_request_duration"), "histogram");
  for (const [id, v] of samples) {
    if (!/_bucket\{.*le="\+Inf"/.test(id)) continue;
    const count = id.replace("_bucket", "_count").replace(/,?le="\+Inf"/, "").replace("{}", "");
    assert.equal(samples.get(count), v, count);
  }
  assert.equal(sum(/^weir_control_connected/), 1);
  assert.ok(!/weir_sk|tester-key|req_/.test([...samples.keys()].join()), "no key and no id is a label");
  const fleet = await until(async () => {
    const m = exposition(await (await fetch(`http://127.0.0.1:${weir.apiPort}/metrics`, { headers: { authorization: `Bearer ${weir.token}` } })).text());
    return BigInt(m.samples.get('weir_budget_settled{budget="default/money",unit="nano_usd"}') ?? 0) === mock.bill && m;
  }, "the bill in the fleet's metrics");
  assert.equal(fleet.samples.get('weir_budget_limit{budget="default/money",unit="nano_usd"}'), 5e9);
  assert.ok([...fleet.samples.keys()].some((k) => /^weir_build_info\{version="\d/.test(k)));
  assert.equal((await fetch(`http://127.0.0.1:${weir.apiPort}/metrics`)).status, 401);
});

test("every metric that is declared is written, leases by budget among them", async (t) => {
  const { weir, openai, mock } = await setting(t, { budgets: budget("money", "{usd: 5}") + budget("calls", "{requests: 10}") });
  await openai.chat.completions.create(chat());
  const declared = fs.readFileSync(path.join(root, "dataplane/telemetry/metrics.def"), "utf8").match(/"((weir|gen_ai)_\w+)"/g).map((q) => q.slice(1, -1));
  assert.ok(declared.length > 40);
  const lease = (kind, name, unit) => `weir_budget_lease_${kind}{budget="default/${name}",unit="${unit}"}`;
  const { types, samples } = await until(async () => {
    const m = exposition(await weir.metrics());
    return m.samples.get(lease("settled", "calls", "requests")) === 1 && m;
  }, "the settled call in the metrics");
  for (const name of declared) assert.ok(types.has(name), `${name} is declared but not written`);
  assert.equal(BigInt(samples.get(lease("settled", "money", "nano_usd"))), mock.bill);
  assert.ok(samples.get(lease("granted", "money", "nano_usd")) >= Number(mock.bill));
  assert.equal(samples.get(lease("held", "money", "nano_usd")), 0);
  assert.ok(samples.get("weir_holds_waited_total") >= 1, "the first call had to wait for a lease");
  assert.ok([...samples.keys()].some((k) => /^weir_build_info\{version="\d/.test(k)));
});

test("spans arrive at a collector that first says no, each once, with the caller's trace and the record's numbers", async (t) => {
  const c = await collector(t, [503]);
  const { weir, openai, mock } = await setting(t, { routeExtra: "  models: ['mock-*']", env: { OTEL_EXPORTER_OTLP_ENDPOINT: c.url } });
  const trace = "0af7651916cd43dd8448eb211c80319c", parent = "b7ad6b7169203331";
  await openai.chat.completions.create(chat(), { headers: { traceparent: `00-${trace}-${parent}-01` } });
  await openai.chat.completions.create(chat({ stream: true })).then(async (s) => { for await (const _ of s); });
  await outcome(openai.chat.completions.create(chat({ model: "nowhere" })));
  await until(() => c.spans.length >= 3, "three spans", 20_000);
  assert.equal(c.spans.length, 3);
  assert.ok(c.requests.every((r) => r.method === "POST" && r.url === "/v1/traces" && r.type === "application/x-protobuf"));
  assert.ok(c.requests.some((r) => r.status === 503));
  assert.equal(new Set(c.spans.map((s) => s.spanId)).size, 3);
  const [first, second, third] = c.spans;
  assert.equal(first.traceId, trace);
  assert.equal(first.parent, parent);
  assert.equal(first.name, "chat mock-small");
  assert.equal(first.kind, 2);
  assert.ok(first.end > first.start);
  assert.ok(first.resource["service.name"]);
  assert.equal(first.attributes["gen_ai.usage.output_tokens"], 10n);
  assert.equal(first.attributes["weir.cost_nano_usd"], mock.calls[0].cost);
  assert.equal(first.status, 0);
  assert.equal(second.attributes["weir.agent"], "tester");
  assert.equal(third.status, 2);
  // The provider continues the same trace.
  assert.match(mock.calls[0].headers.traceparent, new RegExp(`^00-${trace}-${first.spanId}-`));
  assert.ok(weir);
});

test("records: every call once, over a control plane and a proxy that restart and a stream that breaks", async (t) => {
  const { weir, openai, mock } = await setting(t);
  const call = (n) => Promise.all(Array.from({ length: n }, () => openai.chat.completions.create(chat())));
  await call(20);
  await weir.control.stop("SIGKILL");
  await call(20);
  await weir.proxies[0].proc.stop();
  await weir.startProxy(0);
  await call(20);
  await weir.startControl();
  await call(20);
  const list = await records(weir, 80);
  await until(async () => (await spend(weir)).calls === 80, "80 records");
  assert.equal(list.length, 80);
  assert.equal(new Set(list.map((r) => r.id)).size, 80);
  assert.equal(BigInt((await spend(weir)).costNano), mock.bill);
  assert.equal(list.reduce((n, r) => n + BigInt(r.costNano), 0n), mock.bill);
});
