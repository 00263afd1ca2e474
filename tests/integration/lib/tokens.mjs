// A strict token server: OAuth, Google and STS over TLS, or metadata endpoints over plain HTTP. It answers what its plan
// says for a request that keeps the rules, and 400 for one that doesn't.
import http from "node:http";
import https from "node:https";
import { once } from "node:events";

export class Tokens {
  // answer(request, n): what the n-th request gets: {status, body, headers}; a string body is sent as it is.
  constructor({ tls, answer }) {
    Object.assign(this, { answer, calls: [], open: 0, mostOpen: 0 });
    this.server = tls ? https.createServer(tls, (q, r) => this.serve(q, r)) : http.createServer((q, r) => this.serve(q, r));
    this.scheme = tls ? "https" : "http";
  }
  async start() {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.url = `${this.scheme}://localhost:${this.server.address().port}`;
    return this;
  }
  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close").catch(() => {});
  }
  async serve(req, res) {
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    const chunks = [];
    for await (const c of req) chunks.push(c);
    const raw = Buffer.concat(chunks).toString();
    const call = { method: req.method, path: req.url, headers: req.headers, raw };
    if (/^application\/x-www-form-urlencoded/.test(req.headers["content-type"] ?? "")) call.form = Object.fromEntries(new URLSearchParams(raw));
    this.calls.push(call);
    const { status = 200, body = "" } = (await this.answer(call, this.calls.length)) ?? { status: 400 };
    const text = typeof body === "string" ? body : JSON.stringify(body);
    this.open--;
    res.writeHead(status, { "content-length": Buffer.byteLength(text) });
    res.end(text);
  }
}
