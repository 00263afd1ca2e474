// A strict Bedrock as far as its embeddings go: invoke with the bodies of Amazon's Titan and of Cohere's models, which it checks and
// bills. Titan tells its tokens in the body; of both a header does.
import http from "node:http";
import { once } from "node:events";
import { PRICES, tokensOf } from "./mock.mjs";
import { cohereVector } from "./cohere.mjs";

const TITAN = new Set("inputText dimensions normalize embeddingTypes".split(" "));
const COHERE = new Set("texts images inputs input_type truncate embedding_types output_dimension max_tokens".split(" "));

export class InvokeMock {
  constructor({ bearer, plan = () => ({}) }) {
    Object.assign(this, { bearer, plan, calls: [], problems: [], bill: 0n });
    this.server = http.createServer((q, r) => this.serve(q, r));
  }
  async start() {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.url = `http://localhost:${this.server.address().port}`;
    return this;
  }
  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close").catch(() => {});
  }
  async serve(req, res) {
    const raw = [];
    for await (const c of req) raw.push(c);
    const body = JSON.parse(Buffer.concat(raw).toString());
    const model = decodeURIComponent(req.url.match(/^\/model\/([^/]+)\/invoke$/)?.[1] ?? "");
    this.calls.push({ path: req.url, model, body });
    const titan = model.includes("amazon.titan-embed-text");
    if (req.headers.authorization !== `Bearer ${this.bearer}`) this.problems.push(`key ${req.headers.authorization}`);
    for (const k of Object.keys(body)) if (!(titan ? TITAN : COHERE).has(k)) this.problems.push(`unknown field ${k}`);
    if (titan ? typeof body.inputText !== "string" : !body.texts?.length || !body.input_type) this.problems.push("no input");
    const plan = this.plan(this.calls.at(-1));
    if (plan.status) return this.json(res, plan.status, plan.body);
    const texts = titan ? [body.inputText] : body.texts;
    const input = texts.reduce((n, x) => n + tokensOf(x), 0);
    const list = texts.map((x) => cohereVector(x));
    this.bill += (BigInt(input) * PRICES["mock-small"].input + 999_999n) / 1_000_000n;
    this.json(res, 200, titan ? { embedding: list[0], embeddingsByType: { float: list[0] }, inputTextTokenCount: input } : { id: "e1", response_type: "embeddings_by_type", embeddings: { float: list }, texts },
      { "x-amzn-bedrock-input-token-count": String(input) });
  }
  json(res, status, body, headers = {}) {
    res.writeHead(status, { "content-type": "application/json", ...headers });
    res.end(JSON.stringify(body));
  }
}
