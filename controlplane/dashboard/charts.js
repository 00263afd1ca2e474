// Charts in plain SVG, drawn from data; every chart stands beside a table with the same numbers.
import { h } from "./dom.js";
import { clock, day } from "./format.js";

export const SERIES = 8; // colours s0 … s7 of the style sheet; the rest is "others"

function niceStep(max, ticks) {
  const raw = max / ticks;
  const base = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].map((m) => m * base).find((s) => s >= raw);
}

function short(label) {
  return label.replace(/(\.\d\d\d*?)0+$/, "$1");
}

function tip(text) {
  const box = document.getElementById("tip");
  return {
    onmousemove(e) {
      box.textContent = text;
      box.hidden = false;
      const x = Math.min(e.clientX + 14, window.innerWidth - box.offsetWidth - 8);
      const y = Math.max(8, e.clientY - box.offsetHeight - 10);
      box.style.setProperty("transform", `translate(${Math.round(x)}px, ${Math.round(y)}px)`);
    },
    onmouseleave() {
      box.hidden = true;
    },
  };
}

function timeLabel(t, stepMs) {
  return stepMs >= 86400000 ? day(t) : clock(t);
}

// buckets: times; series: [{name, values[]}], each as long as buckets. One stacked column for each bucket.
export function stacked({ width, height, buckets, stepMs, series, format, label }) {
  const left = 64, right = 8, top = 10, bottom = 26;
  const totals = buckets.map((_, i) => series.reduce((sum, s) => sum + s.values[i], 0));
  const max = Math.max(...totals, 0);
  const step = max > 0 ? niceStep(max, 4) : 1;
  const ceil = max > 0 ? Math.ceil(max / step) * step : 1;
  const inner = width - left - right;
  const y = (v) => top + (height - top - bottom) * (1 - v / ceil);
  const slot = inner / Math.max(1, buckets.length);
  const gap = slot > 6 ? 2 : slot > 3 ? 1 : 0;
  const every = Math.max(1, Math.ceil(64 / slot));
  const parts = [];

  if (max > 0)
    for (let v = 0; v <= ceil + step / 2; v += step)
      parts.push(
        h("line", { class: "grid", x1: left, x2: width - right, y1: y(v), y2: y(v) }),
        h("text", { class: "tick", x: left - 8, y: y(v) + 4, "text-anchor": "end" }, short(format(v))),
      );
  buckets.forEach((t, i) => {
    let sum = 0;
    const x = left + i * slot;
    series.forEach((s, n) => {
      const v = s.values[i];
      if (!v) return;
      const y0 = y(sum), y1 = y(sum + v);
      sum += v;
      parts.push(h("rect", { class: "s" + Math.min(n, SERIES), x: x + gap / 2, width: Math.max(1, slot - gap), y: y1, height: Math.max(0.5, y0 - y1) }));
    });
    if (i % every === 0 && x + 40 < width)
      parts.push(h("text", { class: "tick", x: x + slot / 2, y: height - 8, "text-anchor": "middle" }, timeLabel(t, stepMs)));
    const lines = series.filter((s) => s.values[i]).map((s) => `${s.name}  ${format(s.values[i])}`);
    const head = (stepMs >= 86400000 ? day(t) : `${day(t)}, ${clock(t)}`) + `  ${format(totals[i])}`;
    parts.push(h("rect", { class: "hit", x, width: slot, y: top, height: height - top - bottom, ...memoTip([head, ...lines].join("\n")) }));
  });
  parts.push(h("line", { class: "axis", x1: left, x2: width - right, y1: y(0), y2: y(0) }));
  return h("svg", { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, parts);
}

const tips = new Map();

function memoTip(text) {
  if (tips.size > 2000) tips.clear();
  if (!tips.has(text)) tips.set(text, tip(text));
  return tips.get(text);
}

// What is spent, held by open calls, lent to proxies but unused, and free: one horizontal bar.
export function budgetBar({ limit, settled, held, lent, label, text }) {
  const whole = Math.max(limit, settled + held + lent, 1);
  const w = (v) => (1000 * Math.max(0, v)) / whole;
  const parts = [
    h("rect", { class: "track", x: 0, y: 0, width: 1000, height: 14 }),
    h("rect", { class: "settled", x: 0, y: 0, width: w(settled), height: 14 }),
    h("rect", { class: "held", x: w(settled), y: 0, width: w(held), height: 14 }),
    h("rect", { class: "leased", x: w(settled) + w(held), y: 0, width: w(lent), height: 14 }),
  ];
  if (whole > limit && limit > 0) parts.push(h("rect", { class: "mark", x: w(limit) - 2, y: 0, width: 4, height: 14 }));
  const state = settled >= limit ? " spent" : settled + held > 0.8 * limit ? " close" : "";
  return h("svg", { class: "bar" + state, viewBox: "0 0 1000 14", preserveAspectRatio: "none", role: "img", "aria-label": label, ...memoTip(text) }, parts);
}

// What is left of a limit over a window: steps down to now, then the forecast's line. points: [{t, left}] in the order of time.
export function burnDown({ width, height, start, end, now, limit, points, forecast, format, label }) {
  const left = 64, right = 8, top = 10, bottom = 26;
  const whole = Math.max(1, end - start);
  const x = (t) => left + ((width - left - right) * Math.min(whole, Math.max(0, t - start))) / whole;
  const most = Math.max(limit, ...points.map((p) => p.left), 1);
  const step = niceStep(most, 3);
  const ceil = Math.ceil(most / step) * step;
  const y = (v) => top + (height - top - bottom) * (1 - v / ceil);
  const parts = [];
  for (let v = 0; v <= ceil + step / 2; v += step)
    parts.push(h("line", { class: "grid", x1: left, x2: width - right, y1: y(v), y2: y(v) }), h("text", { class: "tick", x: left - 8, y: y(v) + 4, "text-anchor": "end" }, short(format(v))));
  for (const [t, anchor] of [[start, "start"], [start + whole / 2, "middle"], [end, "end"]])
    parts.push(h("text", { class: "tick", x: x(t), y: height - 8, "text-anchor": anchor }, whole > 2 * 86400000 ? day(t) : clock(t)));
  const line = points.map((p, i) => (i ? `H${x(p.t).toFixed(1)}V${y(p.left).toFixed(1)}` : `M${x(p.t).toFixed(1)} ${y(p.left).toFixed(1)}`)).join("");
  parts.push(h("path", { class: "burn-area", d: `${line}V${y(0)}H${x(start)}Z` }), h("path", { class: "burn-line", d: line }));
  if (forecast) parts.push(h("line", { class: "burn-forecast", x1: x(now), y1: y(points.at(-1).left), x2: x(forecast.t), y2: y(forecast.left) }));
  points.forEach((p, i) => {
    const to = x(points[i + 1]?.t ?? now);
    parts.push(h("rect", { class: "hit", x: x(p.t), width: Math.max(1, to - x(p.t)), y: top, height: height - top - bottom, ...memoTip(`${day(p.t)}, ${clock(p.t)}  ${format(p.left)}`) }));
  });
  parts.push(h("line", { class: "axis", x1: left, x2: width - right, y1: y(0), y2: y(0) }));
  return h("svg", { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, parts);
}

// rows: [{name, startUs, endUs, kind, text}]
export function waterfall({ totalUs, rows, format }) {
  const w = (us) => (100 * us) / Math.max(1, totalUs);
  return h("ol", { class: "waterfall" }, rows.map((r, i) =>
    h("li", { key: i },
      h("span", { class: "wf-name" }, r.name),
      h("svg", { class: "wf-bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
        h("rect", { class: "track", x: 0, y: 4.6, width: 100, height: 0.8 }),
        h("rect", { class: "wf-" + r.kind, x: Math.min(99.4, w(r.startUs)), y: 1, width: Math.max(0.6, w(r.endUs - r.startUs)), height: 8 })),
      h("span", { class: "wf-time" }, r.text || format(r.endUs - r.startUs)))));
}
