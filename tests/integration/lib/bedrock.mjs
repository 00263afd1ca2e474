// A strict Bedrock: ConverseStream and Converse, whose requests it checks with the vendor's own signer and whose streams the
// vendor's own codec writes.
import https from "node:https";
import { once } from "node:events";
import sha256 from "@aws-crypto/sha256-js";
import { EventStreamCodec } from "@smithy/eventstream-codec";
import { SignatureV4 } from "@smithy/signature-v4";
import { BedrockRuntimeClient } from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { pieces } from "./mock.mjs";
import { CALLER_KEY } from "./weir.mjs";

const codec = new EventStreamCodec((b) => Buffer.from(b).toString(), (s) => Buffer.from(s));
const header = (value) => ({ type: "string", value });
const encode = (kind, type, body) => Buffer.from(codec.encode({
  headers: { [`:${kind}-type`]: header(type), ":content-type": header("application/json"), ":message-type": header(kind) }, body: Buffer.from(JSON.stringify(body)) }));
export const event = (type, body) => encode("event", type, body);
export const exception = (type, message) => encode("exception", type, { message });

export const KEYS = { accessKeyId: "AKIDWEIRTEST", secretAccessKey: "s3cr3t/canary+bedrock=0", sessionToken: "session/canary+token==" };
export const REGION = "eu-central-1";

// As a file of credentials, with another profile beside the default one.
export const PROFILE = `[default]\naws_access_key_id = ${KEYS.accessKeyId}\naws_secret_access_key=${KEYS.secretAccessKey}\naws_session_token = ${KEYS.sessionToken}\n[other]\naws_access_key_id = AKIDOTHER\n`;

const FIELDS = new Set(["messages", "system", "inferenceConfig", "toolConfig", "outputConfig", "serviceTier", "additionalModelRequestFields", "requestMetadata"]);

export class Bedrock {
  constructor({ tls, plan, keys = KEYS, bearer }) {
    Object.assign(this, { plan, keys, bearer, calls: [], problems: [] });
    this.server = https.createServer(tls, (q, r) => this.serve(q, r));
  }
  async start() {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.url = `https://localhost:${this.server.address().port}`;
    return this;
  }
  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close").catch(() => {});
  }
  // The signature that the vendor's signer makes of what has arrived.
  async expected(req, raw) {
    const date = req.headers["x-amz-date"];
    const signed = /SignedHeaders=([^,]+)/.exec(req.headers.authorization)?.[1].split(";") ?? [];
    for (const name of ["host", "content-type", "x-amz-date"]) if (!signed.includes(name)) this.problems.push(`${name} is not signed`);
    for (const name of Object.keys(req.headers)) if (name.startsWith("x-amz-") && !signed.includes(name)) this.problems.push(`${name} is there and not signed`);
    const headers = Object.fromEntries(signed.map((n) => [n, req.headers[n]]));
    const signer = new SignatureV4({ service: "bedrock", region: REGION, credentials: this.keys, sha256: sha256.Sha256, applyChecksum: false });
    const when = new Date(date.replace(/(....)(..)(..T..)(..)(..Z)/, "$1-$2-$3:$4:$5"));
    if (Math.abs(when - Date.now()) > 300_000) this.problems.push(`signed as of ${date}`);
    const made = await signer.sign({ method: req.method, path: req.url, query: {}, headers, body: raw, hostname: "localhost", protocol: "https:" }, { signingDate: when });
    if (this.keys.sessionToken !== req.headers["x-amz-security-token"]) this.problems.push("another session token");
    return made.headers.authorization;
  }
  async serve(req, res) {
    const chunks = [];
    for await (const c of req) chunks.push(c);
    const raw = Buffer.concat(chunks);
    const call = { path: req.url, headers: req.headers, body: JSON.parse(raw) };
    this.calls.push(call);
    const expected = this.bearer ? `Bearer ${this.bearer}` : await this.expected(req, raw);
    if (req.headers.authorization !== expected) {
      this.problems.push(`${req.headers.authorization} instead of ${expected}`);
      return this.json(res, 403, { message: "The request signature we calculated does not match." });
    }
    this.check(call.body);
    if (call.path.endsWith("/count-tokens")) return this.json(res, 200, { inputTokens: 9 });
    const answer = this.plan(call, this.calls.length);
    if (answer.status) return this.json(res, answer.status, answer.body);
    if (!call.path.endsWith("/converse-stream")) return this.json(res, 200, answer.body);
    res.writeHead(200, { "content-type": "application/vnd.amazon.eventstream" });
    for (const piece of pieces(Buffer.concat(answer.events), answer.split)) res.write(piece);
    if (answer.then) res.write(await answer.then); // a promise of what comes last
    res.end();
  }
  check(body) {
    if (body.input) return;
    for (const k of Object.keys(body)) if (!FIELDS.has(k)) this.problems.push(`unknown field ${k}`);
    body.messages.forEach((m, i) => {
      if (m.role !== (i % 2 ? "assistant" : "user")) this.problems.push(`message ${i} is of ${m.role}`);
      if (!m.content.length) this.problems.push(`message ${i} is empty`);
      for (const c of m.content) if (Object.keys(c).length !== 1) this.problems.push(`a part with ${Object.keys(c)}`);
    });
  }
  json(res, status, body) {
    res.writeHead(status, { "content-type": "application/json" });
    res.end(JSON.stringify(body));
  }
}

// AWS's own SDK as a caller: a bearer token by default, signed requests with `credentials`. It speaks HTTP/2 by itself.
export function awsClient(t, url, { auth = { token: { token: CALLER_KEY }, authSchemePreference: ["httpBearerAuth"] }, http1 = true } = {}) {
  const client = new BedrockRuntimeClient({ endpoint: url, region: REGION, maxAttempts: 1, ...(http1 && { requestHandler: new NodeHttpHandler() }), ...auth });
  t.after(() => client.destroy());
  return client;
}

// What the events of a stream make together, put together as the SDK's users do.
export async function collect({ stream }) {
  const out = { blocks: [], stops: 0 };
  for await (const e of stream) {
    const at = (x) => (out.blocks[x.contentBlockIndex] ??= { text: "", input: "", reasoning: "" });
    if (e.messageStart) out.role = e.messageStart.role;
    if (e.contentBlockStart) Object.assign(at(e.contentBlockStart), e.contentBlockStart.start.toolUse);
    const { text, toolUse, reasoningContent: reasoning } = e.contentBlockDelta?.delta ?? {};
    if (text) at(e.contentBlockDelta).text += text;
    if (toolUse) at(e.contentBlockDelta).input += toolUse.input;
    if (reasoning?.text) at(e.contentBlockDelta).reasoning += reasoning.text;
    if (reasoning?.signature) at(e.contentBlockDelta).signature = reasoning.signature;
    if (reasoning?.redactedContent) at(e.contentBlockDelta).redacted = reasoning.redactedContent;
    if (e.contentBlockStop) out.stops++;
    if (e.messageStop) out.reason = e.messageStop.stopReason;
    if (e.metadata) ({ usage: out.usage, metrics: out.metrics } = e.metadata);
  }
  out.text = out.blocks.map((b) => b.text).join("");
  return out;
}
