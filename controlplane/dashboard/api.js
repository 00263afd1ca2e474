// One way to talk to the API: JSON both ways, errors as objects with a sentence and how to mend it.

export class Refused extends Error {
  constructor(status, error) {
    super(error.message || "The control plane answered with status " + status + ".");
    this.status = status;
    this.code = error.code;
    this.fix = error.fix || "";
  }
}

async function answerOf(method, path, body) {
  try {
    return await fetch("/api/v1" + path, {
      method,
      credentials: "same-origin",
      cache: "no-store",
      headers: body ? { "content-type": "application/json", "x-weir-request": "dashboard" } : { "x-weir-request": "dashboard" },
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Error("No connection to the control plane. Is weir still running?");
  }
}

export async function call(method, path, body) {
  const answer = await answerOf(method, path, body);
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, data.error || {});
  return data;
}

// What is not JSON, exactly as it was sent.
export async function text(path) {
  const answer = await answerOf("GET", path);
  if (!answer.ok) throw new Refused(answer.status, (await answer.json().catch(() => ({}))).error || {});
  return answer.text();
}

export function query(params) {
  const q = new URLSearchParams();
  for (const k in params) if (params[k] !== "" && params[k] !== null && params[k] !== undefined) q.set(k, params[k]);
  const s = q.toString();
  return s ? "?" + s : "";
}
