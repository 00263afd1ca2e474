// Callers that don't stop, and the three accounts of what they spent.
import assert from "node:assert/strict";
import { chat, clients, settled, until } from "./setup.mjs";

const DAY = 86_400_000;

// Of all days, also of those that a proxy's clock took for tomorrow.
export const spentEver = async (weir, filter = {}) => {
  const day = (ms) => new Date(Date.now() + ms).toISOString().slice(0, 10);
  return (await weir.api(`/spend?from=${day(-DAY)}&until=${day(2 * DAY)}&${new URLSearchParams(filter)}`)).total;
};

export const status = (url, key) => clients(url, key).openai.chat.completions.create(chat()).then(() => 200, (e) => e.status ?? 0);

// Callers that go on until told to stop. What they were told is counted by status; 0: no answer.
export function load(replicas, { callers = 3, key } = {}) {
  const counts = {};
  let going = true;
  const one = async (p) => {
    while (going) {
      const s = await status(p.url, key);
      counts[s] = (counts[s] ?? 0) + 1;
      if (s !== 200) await new Promise((r) => setTimeout(r, 20));
    }
  };
  const all = Promise.all(replicas.proxies.flatMap((p) => Array.from({ length: callers }, () => one(p))));
  return { counts, stop: () => ((going = false), all) };
}

// After the proxies' graceful end nothing is lent, and the three accounts of what was spent are one.
export async function assertExact(replicas, mock, name, limit, filter) {
  await replicas.stopProxies();
  const control = replicas.controls.find((c) => !c.proc.gone).weir;
  const { counters } = await settled(control, name, mock.bill);
  for (const c of counters) assert.equal(BigInt(c.committed), 0n, JSON.stringify(c));
  assert.ok(mock.bill <= limit, `${mock.bill} of ${limit}`);
  await until(async () => {
    const total = await spentEver(control, filter);
    assert.equal(BigInt(total.costNano), mock.bill);
    return total.calls >= mock.calls.length;
  }, "the records to agree with the bill");
}
