// Credentials that end, through the front door: tokens are fetched, renewed and kept; secrets stay where they are.
import assert from "node:assert/strict";
import { createVerify, generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Bedrock, KEYS, REGION } from "./lib/bedrock.mjs";
import { Tokens } from "./lib/tokens.mjs";
import { Mock, Weir, agent, chat, clients, prices, route, testTls, until } from "./lib/setup.mjs";

const SECRET = "entra-secret-canary-~9f";
const PROJECTED = "eyJhbGciOi.projected-canary.c2ln";
const SCOPE = "https://cognitiveservices.azure.com/.default";

async function start(t, { credential, answer, plan, tls = true, env, upstream, dialect = "openai", spec = "" }) {
  const files = testTls();
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-tokens-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const tokens = await new Tokens({ tls: tls && files.options, answer }).start();
  t.after(() => tokens.stop());
  const mock = await (upstream ?? new Mock({ tls: files.options, plan, key: null })).start();
  t.after(() => mock.stop());
  const policy = prices + agent("tester") + `
apiVersion: weir.dev/v1alpha1
kind: Provider
metadata: {name: p}
spec:
  dialect: ${dialect}
  endpoint: ${mock.url}
  timeouts: {connect: 10s}
  credential: ${credential({ url: tokens.url, dir, caFile: files.caFile })}
  tls: {caFile: ${files.caFile}}${spec}
---` + route("all", [["p"]]);
  const weir = await Weir.start(t, { policy, env });
  return { tokens, mock, weir, dir, policy, caFile: files.caFile, ...clients(weir.url) };
}

const bearer = (call) => call.headers.authorization?.replace(/^Bearer /, "");
const entra = ({ url, caFile }) => `{oauth: {tokenUrl: ${url}/tenant/oauth2/v2.0/token, clientId: app, clientSecret: {env: ENTRA_SECRET}, scope: "${SCOPE}", caFile: ${caFile}}}`;

function* files(dir) {
  for (const e of fs.readdirSync(dir, { withFileTypes: true })) {
    const p = path.join(dir, e.name);
    if (e.isDirectory()) yield* files(p);
    else if (e.isFile()) yield p;
  }
}

async function nowhere(weir, canaries, extra = "") {
  const places = { extra, metrics: await weir.metrics(), calls: JSON.stringify(await weir.api("/calls?limit=50")), fleet: JSON.stringify(await weir.api("/fleet")) };
  await weir.proxies[0].proc.stop();
  await weir.control.stop();
  places["proxy output"] = weir.proxies[0].proc.output;
  places["control output"] = weir.control.output;
  for (const d of [weir.controlState, weir.proxies[0].state]) for (const f of files(d)) places[f] = fs.readFileSync(f, "latin1");
  for (const [name, text] of Object.entries(places)) for (const c of canaries) assert.ok(!text.includes(c), `${c} in ${name}`);
}

test("a client's secret buys tokens: many first calls wait for one fetch, and it is renewed before its end", async (t) => {
  let release;
  const held = new Promise((r) => (release = r));
  const seen = new Set();
  const { tokens, mock, weir, openai } = await start(t, {
    credential: entra, env: { ENTRA_SECRET: SECRET },
    answer: async ({ path: p, form }, n) => {
      if (n === 1) await held;
      assert.equal(p, "/tenant/oauth2/v2.0/token");
      assert.deepEqual(form, { client_id: "app", scope: SCOPE, grant_type: "client_credentials", client_secret: SECRET });
      return { body: { token_type: "Bearer", expires_in: 4, access_token: `token-canary-${n}` } };
    },
    plan: (call) => (seen.add(bearer(call)), {}),
  });
  const first = Array.from({ length: 10 }, () => openai.chat.completions.create(chat()));
  await until(() => tokens.calls.length === 1, "the first fetch");
  assert.equal(mock.calls.length, 0);
  release();
  await Promise.all(first);
  assert.deepEqual([...seen], ["token-canary-1"]);
  await until(async () => (await openai.chat.completions.create(chat()), seen.size >= 3), "two renewals, with no call refused");
  assert.equal(tokens.mostOpen, 1);
  assert.deepEqual(mock.problems, []);
  await nowhere(weir, [SECRET, "token-canary"]);
});

test("a projected token file is read anew at each renewal", async (t) => {
  const shown = [];
  const { dir, openai } = await start(t, {
    credential: ({ url, dir, caFile }) => {
      fs.writeFileSync(path.join(dir, "projected"), `${PROJECTED}\n`);
      return `{oauth: {tokenUrl: ${url}/token, clientId: app, assertionFile: ${dir}/projected, scope: s, caFile: ${caFile}}}`;
    },
    answer: ({ form }, n) => {
      assert.equal(form.client_assertion_type, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
      assert.equal(form.client_secret, undefined);
      shown.push(form.client_assertion);
      return { body: { expires_in: 4, access_token: `t${n}` } };
    },
  });
  await openai.chat.completions.create(chat());
  assert.deepEqual(shown, [PROJECTED]);
  fs.writeFileSync(path.join(dir, "projected"), "eyJ.rotated.x");
  await until(() => shown.includes("eyJ.rotated.x"), "the rotated token");
});

test("a token endpoint that refuses is told in the client's dialect; once it serves, calls go on; a good token outlives its failures", async (t) => {
  let mode = "refuse";
  const seen = [];
  const { tokens, weir, openai, anthropic } = await start(t, {
    credential: entra, env: { ENTRA_SECRET: SECRET },
    answer: () => mode === "refuse" ? { status: 401, body: { error: "invalid_client", error_description: `AADSTS: ${SECRET}` } } : { body: { expires_in: mode === "short" ? 8 : 3600, access_token: "good-canary" } },
    plan: (call) => (seen.push(bearer(call)), {}),
  });
  const refused = [];
  await assert.rejects(openai.chat.completions.create(chat()), (e) => (refused.push(e.message), e.status === 502 && e.code === "provider_failed" && /token endpoint: it answered 401, invalid_client/.test(e.message)));
  await assert.rejects(anthropic.messages.create(chat()), (e) => e.status === 502 && e.error.type === "error" && /invalid_client/.test(e.message));
  mode = "short";
  await until(() => openai.chat.completions.create(chat()), "a token at last");
  const before = tokens.calls.length;
  mode = "refuse";
  await until(() => tokens.calls.length > before, "a renewal that fails");
  await openai.chat.completions.create(chat());
  assert.deepEqual([...new Set(seen)], ["good-canary"]);
  await until(async () => openai.chat.completions.create(chat()).then(() => false, (e) => e.status === 502), "the token's end");
  await nowhere(weir, [SECRET, "good-canary"], refused.join());
});

test("a service account's key signs an assertion that its vendor's rules accept", async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  let uri;
  const { mock, weir, openai } = await start(t, {
    credential: ({ url, dir, caFile }) => {
      uri = `${url}/token`;
      fs.writeFileSync(path.join(dir, "sa.json"), JSON.stringify({ type: "service_account", project_id: "x", private_key_id: "kid1", private_key: pem, client_email: "weir@x.iam.gserviceaccount.com", token_uri: uri }));
      return `{google: {serviceAccount: {file: ${dir}/sa.json}, caFile: ${caFile}}}`;
    },
    answer: ({ form }) => {
      assert.equal(form.grant_type, "urn:ietf:params:oauth:grant-type:jwt-bearer");
      const [head, claims, signature] = form.assertion.split(".");
      assert.ok(createVerify("RSA-SHA256").update(`${head}.${claims}`).verify(publicKey, signature, "base64url"));
      assert.deepEqual(JSON.parse(Buffer.from(head, "base64url")), { alg: "RS256", typ: "JWT", kid: "kid1" });
      const { iat, exp, ...rest } = JSON.parse(Buffer.from(claims, "base64url"));
      assert.deepEqual(rest, { iss: "weir@x.iam.gserviceaccount.com", scope: "https://www.googleapis.com/auth/cloud-platform", aud: uri });
      assert.equal(exp - iat, 3600);
      assert.ok(Math.abs(iat - Date.now() / 1000) < 300);
      return { body: { access_token: "ya29.canary", expires_in: 3599, token_type: "Bearer" } };
    },
    plan: (call) => (assert.equal(bearer(call), "ya29.canary"), {}),
  });
  await openai.chat.completions.create(chat());
  assert.equal(mock.calls.length, 1);
  await nowhere(weir, ["ya29.canary", pem.split("\n")[3]]);
});

test("Google's metadata server gives the workload's token", async (t) => {
  const { mock, openai } = await start(t, {
    tls: false, credential: ({ url }) => `{google: {metadataUrl: "${url}"}}`,
    answer: ({ method, path: p, headers }) => {
      assert.deepEqual([method, headers["metadata-flavor"]], ["GET", "Google"]);
      assert.equal(decodeURIComponent(p), "/computeMetadata/v1/instance/service-accounts/default/token?scopes=https://www.googleapis.com/auth/cloud-platform");
      return { body: { access_token: "workload", expires_in: 3000, token_type: "Bearer" } };
    },
    plan: (call) => (assert.equal(bearer(call), "workload"), {}),
  });
  await openai.chat.completions.create(chat());
  assert.equal(mock.calls.length, 1);
});

const iso = (s) => new Date(Date.now() + s * 1000).toISOString().replace(/\.\d+Z/, "Z");
const keys = () => ({ Code: "Success", AccessKeyId: KEYS.accessKeyId, SecretAccessKey: KEYS.secretAccessKey, Token: KEYS.sessionToken, Expiration: iso(3600) });
const whole = { body: { output: { message: { role: "assistant", content: [{ text: "Yes" }] } }, stopReason: "end_turn", usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 }, metrics: { latencyMs: 1 } } };

async function aws(t, options) {
  const bedrock = new Bedrock({ tls: testTls().options, plan: () => whole });
  const s = await start(t, { ...options, upstream: bedrock, dialect: "bedrock", spec: `\n  region: ${REGION}` });
  const answer = await s.openai.chat.completions.create(chat());
  assert.equal(answer.choices[0].message.content, "Yes");
  assert.deepEqual(bedrock.problems, []);
  await nowhere(s.weir, [KEYS.secretAccessKey, KEYS.sessionToken, PROJECTED]);
  return s;
}

test("a projected token assumes a role at STS, and requests are signed with the session's keys", async (t) => {
  await aws(t, {
    credential: ({ url, caFile }) => `{aws: {source: webIdentity, url: "${url}", caFile: ${caFile}}}`,
    env: { AWS_ROLE_ARN: "arn:aws:iam::1:role/weir", get AWS_WEB_IDENTITY_TOKEN_FILE() { return projected(t); } },
    answer: ({ method, path: p, form }) => {
      assert.deepEqual([method, p], ["POST", "/"]);
      assert.deepEqual(form, { Action: "AssumeRoleWithWebIdentity", Version: "2011-06-15", RoleArn: "arn:aws:iam::1:role/weir", RoleSessionName: "weir", WebIdentityToken: PROJECTED });
      return { body: `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>${KEYS.accessKeyId}</AccessKeyId><SecretAccessKey>${KEYS.secretAccessKey}</SecretAccessKey><SessionToken>${KEYS.sessionToken}</SessionToken><Expiration>${iso(3600)}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>` };
    },
  });
});

function projected(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "weir-projected-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.writeFileSync(path.join(dir, "token"), PROJECTED);
  return path.join(dir, "token");
}

test("a container's endpoint and a machine's metadata give keys to sign with", async (t) => {
  await aws(t, {
    tls: false, credential: ({ url, dir }) => (fs.writeFileSync(path.join(dir, "t"), PROJECTED), `{aws: {source: container, url: "${url}/v1/credentials", tokenFile: ${dir}/t}}`),
    answer: ({ path: p, headers }) => (assert.deepEqual([p, headers.authorization], ["/v1/credentials", PROJECTED]), { body: keys() }),
  });
  const { tokens } = await aws(t, {
    tls: false, credential: ({ url }) => `{aws: {source: instance, url: "${url}"}}`,
    answer: ({ method, path: p, headers }) => {
      if (method === "PUT") return headers["x-aws-ec2-metadata-token-ttl-seconds"] === "21600" && p === "/latest/api/token" ? { body: "imds/session==" } : undefined;
      if (headers["x-aws-ec2-metadata-token"] !== "imds/session==") return { status: 401 };
      return p === "/latest/meta-data/iam/security-credentials/" ? { body: "node-role" } : p.endsWith("/node-role") ? { body: keys() } : undefined;
    },
  });
  assert.equal(tokens.calls.length, 3);
});

test("a policy that only changes elsewhere keeps the token; what can't work is refused with its place", async (t) => {
  const { tokens, weir, openai, policy } = await start(t, { credential: entra, env: { ENTRA_SECRET: SECRET }, answer: () => ({ body: { expires_in: 3600, access_token: "t" } }) });
  await openai.chat.completions.create(chat());
  weir.writePolicy(policy + agent("another", { key: "weir_sk_another" }));
  const other = clients(weir.url, "weir_sk_another").openai;
  await until(() => other.chat.completions.create(chat()), "the new policy");
  assert.equal(tokens.calls.length, 1);
  weir.writePolicy(policy.replace("https://", "http://").replace(/tokenUrl: https/, "tokenUrl: http"));
  await until(() => /spec\.credential\.oauth\.tokenUrl: must be https/.test(weir.proxies[0].proc.output), "the refusal");
  await openai.chat.completions.create(chat());
});
