// Numbers and times as people read them. Money arrives as nano-USD and is never rounded to a false zero.

const group = new Intl.NumberFormat("en-US");

export function usd(nano) {
  if (nano === null || nano === undefined) return "–";
  const v = nano / 1e9;
  const a = Math.abs(v);
  let digits = 2;
  if (a > 0 && a < 1) digits = a >= 0.01 ? 4 : Math.min(9, 1 - Math.floor(Math.log10(a)) + 1);
  return (v < 0 ? "−$" : "$") + a.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function count(n) {
  return n === null || n === undefined ? "–" : group.format(n);
}

export function short(n) {
  if (n === null || n === undefined) return "–";
  const a = Math.abs(n);
  if (a < 10000) return group.format(n);
  const units = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  const [size, unit] = units.find(([s]) => a >= s);
  const v = n / size;
  return v.toFixed(Math.abs(v) < 100 ? 1 : 0) + " " + unit;
}

export function amount(n, unit) {
  return unit === "usd" ? usd(n) : short(n);
}

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  if (n < 1024) return n + " B";
  const i = Math.min(4, Math.floor(Math.log2(n) / 10));
  return (n / 2 ** (10 * i)).toFixed(n / 2 ** (10 * i) < 10 ? 1 : 0) + " " + ["", "KiB", "MiB", "GiB", "TiB"][i];
}

export function micros(us) {
  if (us === null || us === undefined) return "–";
  if (us < 1000) return us + " µs";
  if (us < 1e6) return (us / 1000).toFixed(us < 1e4 ? 1 : 0) + " ms";
  if (us < 6e7) return (us / 1e6).toFixed(us < 1e7 ? 2 : 1) + " s";
  return Math.floor(us / 6e7) + " min " + Math.round((us % 6e7) / 1e6) + " s";
}

export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 86400) return Math.floor(s / 3600) + " h " + (Math.floor(s / 60) % 60) + " min";
  return Math.floor(s / 86400) + " d " + (Math.floor(s / 3600) % 24) + " h";
}

export function ago(ms, now) {
  if (!ms) return "never";
  const d = now - ms;
  if (d < 1500) return "now";
  return span(d) + " ago";
}

export function absolute(ms) {
  if (!ms) return "";
  return new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

export function clock(ms, long) {
  return new Date(ms).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: long ? "2-digit" : undefined, hour12: false });
}

export function day(ms) {
  return new Date(ms).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

export function percent(part, whole) {
  if (!whole) return "–";
  const p = (100 * part) / whole;
  return (p > 0 && p < 10 ? p.toFixed(1) : Math.round(p)) + " %";
}
