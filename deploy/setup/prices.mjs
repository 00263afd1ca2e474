// Writes the default PriceList from the npm package @pydantic/genai-prices, whose data lie inside it: no network.
//   node deploy/setup/prices.mjs OUTPUT.yaml
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { findProvider } from '@pydantic/genai-prices';

const PROVIDERS = ['openai', 'anthropic', 'cohere'];
// Our field, and the package's price (US dollars per million tokens).
const RATES = { input: 'input_mtok', output: 'output_mtok', cacheRead: 'cache_read_mtok', cacheWrite: 'cache_write_mtok' };
const BASE_ONLY = { cacheWrite1h: 'cache_write_1h_mtok', reasoning: 'output_reasoning_mtok', audioInput: 'input_audio_mtok', audioOutput: 'output_audio_mtok' };

// The package has no fees by the search; this is what Anthropic asks for one, in US dollars.
const WEB_SEARCH = { anthropic: '0.01' };

const output = process.argv[2];
if (!output) {
  console.error('usage: prices.mjs OUTPUT.yaml');
  process.exit(2);
}
const today = new Date().toISOString().slice(0, 10);

function packageVersion() {
  const main = createRequire(import.meta.url).resolve('@pydantic/genai-prices');
  return JSON.parse(readFileSync(join(dirname(dirname(main)), 'package.json'), 'utf8')).version;
}

// A match rule as patterns; a rule that patterns can't express gives none, and the model's own id is left.
function patterns(match) {
  if (match.or) return match.or.flatMap(patterns);
  if (match.equals) return [match.equals];
  if (match.starts_with) return [`${match.starts_with}*`];
  if (match.ends_with) return [`*${match.ends_with}`];
  if (match.contains) return [`*${match.contains}*`];
  return [];
}

// Of prices with conditions: the latest that has begun; one that depends on the time of day is left out.
function currentPrices(prices) {
  if (!Array.isArray(prices)) return prices;
  const begun = prices.filter((p) => !p.constraint || (p.constraint.start_date && p.constraint.start_date <= today));
  begun.sort((a, b) => (a.constraint?.start_date ?? '').localeCompare(b.constraint?.start_date ?? ''));
  return begun.at(-1)?.prices;
}

const base = (price) => (typeof price === 'object' ? price.base : price);

function atTier(price, start) {
  const tiers = price.tiers.filter((t) => t.start <= start).sort((a, b) => a.start - b.start);
  return tiers.length ? tiers.at(-1).price : price.base;
}

// Exact decimals, at most nine: nano-dollars.
const usd = (n) => n.toFixed(9).replace(/\.?0+$/, '') || '0';

function entry(provider, prices) {
  const fields = {};
  const starts = new Set();
  for (const [field, name] of Object.entries({ ...RATES, ...BASE_ONLY })) {
    if (prices[name] === undefined) continue;
    fields[field] = usd(base(prices[name]));
    if (field in RATES) for (const t of prices[name].tiers ?? []) starts.add(t.start);
  }
  if (prices.requests_kcount !== undefined) fields.request = usd(base(prices.requests_kcount) / 1000);
  if (WEB_SEARCH[provider]) fields.webSearch = WEB_SEARCH[provider];
  const tiers = [...starts].sort((a, b) => a - b).slice(0, 8).map((start) => {
    const tier = { aboveInputTokens: start };
    for (const [field, name] of Object.entries(RATES))
      if (prices[name]?.tiers) tier[field] = usd(atTier(prices[name], start));
    return tier;
  });
  return { fields, tiers };
}

function priceLines(model, { fields, tiers }) {
  const lines = [`    - model: ${JSON.stringify(model)}`];
  for (const [k, v] of Object.entries(fields)) lines.push(`      ${k}: ${v}`);
  if (tiers.length) lines.push('      tiers:');
  for (const tier of tiers) lines.push(`        - {${Object.entries(tier).map(([k, v]) => `${k}: ${v}`).join(', ')}}`);
  return lines;
}

function prices() {
  const lines = [];
  const seen = new Set();
  for (const id of PROVIDERS) {
    const provider = findProvider({ providerId: id });
    if (!provider) throw new Error(`the price package has no provider ${id}`);
    for (const model of provider.models) {
      const price = currentPrices(model.prices);
      if (price?.input_mtok === undefined) continue;
      // The package takes the first model that matches; so does the first entry of equal patterns here.
      for (const pattern of new Set([model.id, ...patterns(model.match)])) {
        if (seen.has(pattern)) continue;
        seen.add(pattern);
        lines.push(...priceLines(pattern, entry(id, price)));
      }
    }
  }
  return lines;
}

const lines = prices();
writeFileSync(
  output,
  [
    '# Made by deploy/setup/prices.mjs; US dollars per million tokens.',
    'apiVersion: weir.dev/v1alpha1',
    'kind: PriceList',
    'metadata:',
    '  name: default',
    'spec:',
    `  date: "${today}"`,
    `  source: "npm @pydantic/genai-prices ${packageVersion()}"`,
    '  prices:',
    ...lines,
    '',
  ].join('\n'),
);
