// A client of HTTP/2 for tests: Node's own, towards Weir.
import http2 from "node:http2";
import { once } from "node:events";
import { CALLER_KEY } from "./weir.mjs";

// Plain (prior knowledge) or, with an https: URL, over TLS.
export async function connect(t, url, options) {
  const session = http2.connect(url, options);
  session.on("error", () => {});
  t.after(() => session.destroy());
  await once(session, "connect");
  return session;
}

const post = { ":method": "POST", ":path": "/v1/chat/completions", authorization: `Bearer ${CALLER_KEY}`, "content-type": "application/json" };

export function begin(session, body, headers = {}) {
  const stream = session.request({ ...post, ...headers });
  const answer = { stream, text: "" };
  answer.head = new Promise((resolve, reject) => (stream.once("response", resolve), stream.once("error", reject)));
  answer.head.catch(() => {});
  stream.setEncoding("utf8");
  if (body !== undefined) stream.end(typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  return answer;
}

export async function whole(session, body, headers) {
  const a = begin(session, body, headers);
  a.stream.on("data", (d) => (a.text += d));
  await once(a.stream, "close");
  const head = await a.head;
  return { status: head[":status"], head, text: a.text };
}
