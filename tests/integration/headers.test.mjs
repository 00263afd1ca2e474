// What policy changes of a request's headers (Route and Provider: addHeaders or headers, defaultHeaders, removeHeaders), and what it can't.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { CALLER_KEY, agent, chat, prices, provider, route, setting, until } from "./lib/setup.mjs";

const ask = (s, headers = {}) => fetch(`${s.weir.url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(chat()),
  headers: { "content-type": "application/json", authorization: `Bearer ${CALLER_KEY}`, ...headers } });

const edited = async (t, ofRoute, ofProvider) => {
  const s = await setting(t, { routeExtra: ofRoute });
  const plain = s.mock.calls.length;
  s.weir.writePolicy(s.policy.replace("  dialect: openai\n", `  dialect: openai\n${ofProvider}`));
  await until(async () => (await ask(s)).ok && s.mock.calls.at(-1).headers["x-in-force"] === "1", "the provider's headers");
  assert.ok(s.mock.calls.length > plain);
  return s;
};

test("headers are added, added where a request has none, and taken out, by route and by provider; the route's word comes first", async (t) => {
  const s = await edited(t, "  addHeaders: {x-set: route}\n  defaultHeaders: {x-both: route, x-route: r}\n  removeHeaders: [X-Secret-Project]",
    "  headers: {x-in-force: '1'}\n  defaultHeaders: {x-both: provider, x-provider: p, x-gone: new}\n  removeHeaders: [x-gone, traceparent]\n");
  const seen = async (headers) => { assert.equal((await ask(s, headers)).status, 200); return s.mock.calls.at(-1).headers; };
  const plain = await seen({});
  assert.deepEqual([plain["x-set"], plain["x-both"], plain["x-route"], plain["x-provider"], plain["x-gone"]], ["route", "route", "r", "p", "new"]);
  const own = await seen({ "X-Set": "caller", "X-Both": "caller", "x-provider": "caller", "x-gone": "caller", "x-secret-project": "dam", "x-other": "kept",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" });
  assert.deepEqual([own["x-set"], own["x-both"], own["x-provider"], own["x-gone"], own["x-secret-project"], own["x-other"], own.traceparent],
    ["route", "caller", "caller", "new", undefined, "kept", undefined]);
});

test("neither a default nor a removal touches the credential, the content's type or the framing", async (t) => {
  const s = await edited(t, "  removeHeaders: [authorization, content-type, content-length, host]", "  headers: {x-in-force: '1'}\n  defaultHeaders: {authorization: Bearer other, content-type: text/plain}\n");
  assert.equal((await ask(s)).status, 200);
  const { headers } = s.mock.calls.at(-1);
  assert.doesNotMatch(headers.authorization, /other/);
  assert.equal(headers["content-type"], "application/json");
  assert.ok(Number(headers["content-length"]) > 0 && headers.host);
  assert.deepEqual(s.mock.problems, []);
});

test("a default for a header that is the proxy's own, and a name that is none, are refused with their place", async (t) => {
  const s = await setting(t);
  fs.writeFileSync(`${s.weir.policyDir}/policy.yaml`, prices + agent("tester") + provider("oa", "openai", s.mock.url, { extra: "  removeHeaders: ['x y']" }) + route("all", [["oa"]], "  defaultHeaders: {host: elsewhere}"));
  const { errors } = await until(async () => { const p = await s.weir.api("/policy"); return p.errors.length >= 2 && p; }, "the refusals");
  assert.match(JSON.stringify(errors), /host.*set by the proxy itself/);
  assert.match(JSON.stringify(errors), /must be a header name/);
});
