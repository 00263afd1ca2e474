// One way to talk to the API: JSON both ways, errors as objects with a sentence and how to mend it.

export class Refused extends Error {
  constructor(status, error) {
    super(error.message || "The control plane answered with status " + status + ".");
    this.status = status;
    this.code = error.code;
    this.fix = error.fix || "";
  }
}

export async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch("/api/v1" + path, {
      method,
      credentials: "same-origin",
      cache: "no-store",
      headers: body ? { "content-type": "application/json", "x-weir-request": "dashboard" } : { "x-weir-request": "dashboard" },
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Error("No connection to the control plane. Is weir still running?");
  }
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, data.error || {});
  return data;
}

export function query(params) {
  const q = new URLSearchParams();
  for (const k in params) if (params[k] !== "" && params[k] !== null && params[k] !== undefined) q.set(k, params[k]);
  const s = q.toString();
  return s ? "?" + s : "";
}
