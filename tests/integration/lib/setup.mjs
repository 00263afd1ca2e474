// The setting that most tests share: a mock provider over TLS, and Weir in front of it.
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";
import { Mock } from "./mock.mjs";
import { Proc, Weir, agent, artifacts, bin, budget, CALLER_KEY, freePort, prices, provider, route, testTls, until } from "./weir.mjs";

// plan: what the mock answers, per call. budgets: YAML of Budget objects. more: further YAML.
export async function setting(t, { plan, budgets = "", more = "", agentExtra = "", routeExtra = "", proxies = 1, proxyArgs, controlArgs, env, tls = true, provider: Provider = Mock } = {}) {
  const files = testTls();
  const mock = await new Provider({ tls: tls && files.options, plan }).start();
  t.after(() => mock.stop());
  const caFile = tls ? files.caFile : undefined;
  const policy = prices + agent("tester", { extra: agentExtra }) + provider("oa", "openai", mock.url, { caFile }) + provider("an", "anthropic", mock.url, { caFile })
    + route("all", [["oa", "an"]], routeExtra) + budgets + (typeof more === "function" ? more(mock, caFile) : more);
  const weir = await Weir.start(t, { policy, proxies, proxyArgs, controlArgs, env });
  return { mock, weir, policy, ...clients(weir.url) };
}

export const clients = (url, apiKey = CALLER_KEY) => ({
  openai: new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 }),
  anthropic: new Anthropic({ baseURL: url, apiKey, maxRetries: 0 }),
});

export const chat = (extra = {}) => ({ model: "mock-small", max_tokens: 100, messages: [{ role: "user", content: "How high is the dam?" }], ...extra });

// What the ledger has settled for a budget (all its counters together).
export async function settled(weir, name, expected) {
  return until(async () => {
    const counters = (await weir.api(`/budgets?budget=default/${name}`)).items;
    const value = counters.reduce((n, c) => n + BigInt(c.settled), 0n);
    if (expected !== undefined && value !== BigInt(expected)) throw new Error(`settled ${value}`);
    return { value, counters };
  }, `budget ${name} to settle at ${expected}`);
}

// The records of the calls, newest first, once there are n of them.
export async function records(weir, n) {
  return until(async () => {
    const { items } = await weir.api("/calls?limit=500&since=1h");
    if (items.length < n) throw new Error(`${items.length} so far`);
    return items;
  }, `${n} records`);
}

export { CALLER_KEY, Mock, Proc, Weir, agent, artifacts, bin, budget, freePort, prices, provider, route, testTls, until };

// The sum over all records.
export const spend = async (weir) => (await weir.api("/spend?since=24h")).total;
