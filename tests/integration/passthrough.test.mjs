// What passes through without being understood: admitted by a price per call, counted, recorded, and refused where a hard budget
// could be overspent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toFile } from "openai";
import { CALLER_KEY, budget, records, settled } from "./lib/setup.mjs";
import { mediaSetting } from "./lib/media.mjs";

const money = budget("money", "{usd: 10}");
const png = Buffer.from("iVBORw0KGgo=", "base64");
const file = (bytes = png, name = "dam.png", type = "image/png") => toFile(bytes, name, { type });
const byHand = (weir, path, init = {}) => fetch(`${weir.url}${path}`, { ...init, headers: { authorization: `Bearer ${CALLER_KEY}`, ...init.headers } });

test("images: made and edited, every one is billed, and the model is renamed within the form", async (t) => {
  const { openai, media, weir } = await mediaSetting(t, { budgets: money });
  const made = await openai.images.generate({ model: "pic", prompt: "A dam", n: 3 });
  assert.equal(made.data.length, 3);
  assert.equal(media.calls[0].body.model, "image-1");
  const edited = await openai.images.edit({ model: "pic", image: await file(), prompt: "Higher", n: 2 });
  assert.equal(edited.data.length, 2);
  assert.equal(media.calls[1].form.get("model"), "image-1");
  assert.deepEqual(Buffer.from(await media.calls[1].form.get("image").arrayBuffer()), png);
  await settled(weir, "money", media.bill);
  assert.equal(media.bill, 200_000_000n);
  const list = await records(weir, 2);
  for (const r of list) assert.deepEqual([r.operation, r.provider, r.outcome], ["images", "me", "ok"]);
  assert.deepEqual(media.problems, []);
});

test("audio: speech arrives as it is made, transcriptions take forms and stream", async (t) => {
  let release;
  const middle = new Promise((r) => (release = r));
  const { openai, media, weir } = await mediaSetting(t, { budgets: money, plan: () => ({ middle, more: 600_000 }) });
  const answer = await openai.audio.speech.create({ model: "say", voice: "alloy", input: "The dam is high." });
  assert.equal(answer.headers.get("content-type"), "audio/mpeg");
  const reader = answer.body.getReader();
  const first = await reader.read(); // before the provider has ended
  assert.ok(first.value.length > 0);
  release();
  let bytes = first.value.length;
  for (let p; !(p = await reader.read()).done;) bytes += p.value.length;
  assert.equal(bytes, 601_000);
  const text = await openai.audio.transcriptions.create({ model: "hear", file: await file(Buffer.alloc(300_000, 7), "a.wav", "audio/wav") });
  assert.equal(text.text, "The dam is 40 metres high.");
  assert.equal(media.calls[1].form.get("file").size, 300_000);
  const events = [];
  for await (const e of await openai.audio.transcriptions.create({ model: "hear", file: await file(), stream: true })) events.push(e.type);
  assert.deepEqual(events, ["transcript.text.delta", "transcript.text.done"]);
  await settled(weir, "money", media.bill);
  assert.deepEqual(media.problems, []);
});

test("moderations and reranking pass at their prices, of which one is nothing", async (t) => {
  const { openai, media, weir } = await mediaSetting(t, { budgets: money });
  assert.equal((await openai.moderations.create({ model: "mod", input: "dams" })).results[0].flagged, false);
  const ranked = await byHand(weir, "/v2/rerank", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "rank", query: "dam", documents: ["a", "b"] }) });
  assert.equal((await ranked.json()).results.length, 2);
  assert.equal(ranked.headers.get("x-weir-provider"), "me");
  await settled(weir, "money", media.bill);
  assert.deepEqual((await records(weir, 2)).map((r) => r.operation).sort(), ["moderations", "rerank"]);
});

test("a hard budget refuses what has no price per call, and says which one is missing", async (t) => {
  const { openai, media } = await mediaSetting(t, { budgets: money, pass: "    - {path: /v1/files}\n" });
  await assert.rejects(openai.images.generate({ model: "tok", prompt: "A dam" }), (e) => e.status === 402 && e.code === "price_unknown" && /'tokens-1' at 'me'.*`request` price/.test(e.message));
  await assert.rejects(openai.files.create({ file: await file(), purpose: "user_data" }), (e) => e.status === 402 && /\/v1\/files.*pricePerCall/.test(e.message));
  assert.equal(media.calls.length, 0);
});

test("a hard budget of tokens refuses what has no bound, one of requests counts it", async (t) => {
  const { openai, media, weir } = await mediaSetting(t, { budgets: budget("tokens", "{tokens: 100000}", { extra: "  selector: {models: [tok]}\n" }) + budget("calls", "{requests: 2}") });
  await assert.rejects(openai.images.generate({ model: "tok", prompt: "A dam" }), (e) => e.status === 402 && /counts tokens/.test(e.message));
  await openai.moderations.create({ model: "mod", input: "dams" });
  await openai.moderations.create({ model: "mod", input: "dams" });
  await assert.rejects(openai.moderations.create({ model: "mod", input: "dams" }), (e) => e.status === 402 && /calls/.test(e.message));
  assert.equal(media.calls.length, 2);
  await settled(weir, "calls", 2);
});

test("B-14: calls at once never spend more than the budget has", async (t) => {
  const { openai, media, weir } = await mediaSetting(t, { budgets: budget("money", "{usd: 0.2}"), plan: () => ({ gate: new Promise((r) => setTimeout(r, 50)) }) });
  const all = await Promise.allSettled(Array.from({ length: 12 }, () => openai.images.generate({ model: "pic", prompt: "A dam", n: 1 })));
  assert.equal(all.filter((r) => r.status === "fulfilled").length, 5);
  for (const r of all) if (r.status === "rejected") assert.equal(r.reason.status, 402);
  assert.equal(media.bill, 200_000_000n);
  await settled(weir, "money", media.bill);
});

test("an answer that is an error costs nothing", async (t) => {
  const { openai, weir } = await mediaSetting(t, { budgets: money, plan: () => ({ status: 400 }) });
  await assert.rejects(openai.images.generate({ model: "pic", prompt: "A dam" }), (e) => e.status === 400 && /mock says no/.test(e.message));
  const [r] = await records(weir, 1);
  assert.equal(BigInt(r.costNano), 0n);
  await settled(weir, "money", 0);
});

test("without a hard budget, usage that an answer tells is recorded and priced", async (t) => {
  const { openai, weir } = await mediaSetting(t);
  await openai.images.generate({ model: "tok", prompt: "A dam" });
  const [r] = await records(weir, 1);
  assert.equal(BigInt(r.costNano), 10_000_000n + 100n * 5_000n + 1000n * 40_000n);
  assert.equal(Number(r.usage.outputTokens), 1000);
});

test("files pass where a rule of the provider says so, with its methods and its price", async (t) => {
  const { openai, media, weir } = await mediaSetting(t, { budgets: money, pass: "    - {path: /v1/files, methods: [GET, POST], pricePerCall: 0.001}\n    - {path: /v1/batches, pricePerCall: 0}\n" });
  const made = await openai.files.create({ file: await file(), purpose: "user_data" });
  assert.deepEqual([made.bytes, made.filename], [png.length, "dam.png"]);
  const content = await openai.files.content("file-1");
  assert.deepEqual(Buffer.from(await content.arrayBuffer()), Buffer.from([0, 1, 2, 255]));
  assert.equal((await openai.batches.create({ input_file_id: "file-1", endpoint: "/v1/chat/completions", completion_window: "24h" })).id, "batch_1");
  await assert.rejects(openai.files.delete("file-1"), (e) => e.status === 404 && e.code === "unknown_path");
  await settled(weir, "money", 2_000_000);
  const list = await records(weir, 4);
  assert.deepEqual(list.map((r) => [r.operation, r.outcome]).reverse().slice(0, 3), [["files", "ok"], ["files", "ok"], ["batches", "ok"]]);
  assert.equal(media.calls.length, 3);
  assert.deepEqual(media.problems, []);
});

test("other paths are denied, and no form of writing gets around a rule", async (t) => {
  const { media, weir } = await mediaSetting(t, { pass: "    - {path: /v1/files}\n" });
  for (const path of ["/v1/fine_tuning/jobs", "/v1/filesystem", "/v1/files/../batches", "/v1/files/%2e%2e/batches", "/v1/files//x", "/v1/files/a%2fb", "/v1/files/", "/v1/files/."]) {
    const { hostname, port } = new URL(weir.url);
    const status = await new Promise((resolve, reject) => import("node:http").then(({ request }) => request({ hostname, port, path, headers: { authorization: `Bearer ${CALLER_KEY}` } }, (r) => (r.resume(), resolve(r.statusCode))).on("error", reject).end()));
    assert.equal(status, 404, path);
  }
  assert.equal(media.calls.length, 0);
});

test("a model that a path's body names is routed and allowed as any other", async (t) => {
  const { media, weir } = await mediaSetting(t, { agentExtra: "  models: [pic]\n", pass: "    - {path: /v1/videos, pricePerCall: 0.1}\n" });
  const post = (body, type = "application/json") => byHand(weir, "/v1/videos", { method: "POST", headers: { "content-type": type }, body });
  for (const type of ["application/json", "text/plain", "application/octet-stream"]) {
    const refused = await post('{"model":"say"}', type);
    assert.equal(refused.status, 403, type);
    assert.equal((await refused.json()).error.code, "model_not_allowed");
  }
  assert.equal((await post('{"model":"pic","model":"say"}')).status, 400);
  const form = new FormData();
  form.append("model", "say");
  assert.equal((await byHand(weir, "/v1/videos", { method: "POST", body: form })).status, 403);
  form.append("model", "pic");
  assert.equal((await byHand(weir, "/v1/videos", { method: "POST", body: form })).status, 400);
  assert.equal(media.calls.length, 0);
  assert.equal((await post('{"model":"pic"}')).status, 404); // which is the provider's own answer
  assert.equal(media.calls.at(-1).body.model, "image-1");
});

test("a form without a model, and one that is no form, are refused with the reason", async (t) => {
  const { media, weir } = await mediaSetting(t);
  const form = new FormData();
  form.append("prompt", "A dam");
  const missing = await byHand(weir, "/v1/images/edits", { method: "POST", body: form });
  assert.equal(missing.status, 400);
  assert.match((await missing.json()).error.message, /names no model/);
  const broken = await byHand(weir, "/v1/images/edits", { method: "POST", headers: { "content-type": "multipart/form-data; boundary=x" }, body: "--x\r\n" });
  assert.equal(broken.status, 400);
  assert.match((await broken.json()).error.message, /form has no end/);
  assert.equal(media.calls.length, 0);
});
