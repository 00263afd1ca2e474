#!/usr/bin/env bash
# Does anything grow? Mixed load through the governed proxy for WEIR_SOAK_SECONDS (600): whole answers small and large,
# streams, clients that leave in the middle, providers that fail or break off. Prints memory, file descriptors and sockets
# of both planes: at the start, at the end, the most, and the slope a minute over the last four fifths. Samples are kept in
# build/soak.jsonl. Asserts nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PWD/build/node/bin:$PATH
seconds=${WEIR_SOAK_SECONDS:-600} tools=build/release/bench
every=$((seconds / 100 > 0 ? seconds / 100 : 1))
[ -x "$tools/bench.load" ] || { echo "the rig is not built: make build" >&2; exit 1; }

work=$(mktemp -d) loads=()
export SUBJECT_DIR=$work/weir SUBJECT_CORE='' OTHER_CORE=''
mkdir -p "$SUBJECT_DIR" build
. tests/bench/subjects/weir-governed.sh
clean() {
  kill "${loads[@]}" ${mock:+"$mock"} 2>/dev/null || true
  stop || true
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
ulimit -n "$(ulimit -Hn)"

export MOCK_PORT; MOCK_PORT=$(free_port)
"$tools/bench.mock" "$MOCK_PORT" >/dev/null & mock=$!
start >"$work/env"
. "$work/env"

load() { # name flags...
  local name=$1; shift
  "$tools/bench.load" --port "$port" --key "$key" --warmup 0 --seconds "$seconds" "$@" >"$work/$name.out" & loads+=($!)
}
load whole --model mock-a400 --rate 300 --connections 32
load large --model mock-a2000 --bytes 102400 --tools 50 --rate 20 --connections 16
load stream --model mock-s40x50 --stream --rate 25 --connections 200
load abort --model mock-s200x20 --stream --abort-after 5 --rate 25 --connections 100
load fails --model mock-e500 --rate 5 --connections 50
load refused --model mock-e400 --rate 10 --connections 20
load breaks --model mock-c5 --stream --rate 10 --connections 20

sample() { # seconds since the start
  local name pid
  for name in weir-proxy weir-control; do
    pid=$(pid_of "$name")
    [ -d "/proc/$pid" ] || { echo "$name has ended:" >&2; tail -n 20 "$SUBJECT_DIR/$name.log" >&2; exit 1; }
    printf '{"t":%d,"process":"%s","fds":%d,"sockets":%d,' "$1" "$name" "$(ls "/proc/$pid/fd" | wc -l)" \
      "$( (find "/proc/$pid/fd" -type l -lname 'socket:*' 2>/dev/null || true) | wc -l)"
    awk '/^Private_Dirty:/ {own += $2} /^Rss:/ {rss = $2} END {printf "\"private_kib\":%d,\"resident_kib\":%d}\n", own, rss}' "/proc/$pid/smaps_rollup"
  done
}

: >"$work/samples"
began=$SECONDS
while [ $((SECONDS - began)) -lt "$seconds" ]; do
  sleep "$every"
  sample $((SECONDS - began)) >>"$work/samples"
done
wait "${loads[@]}" || true
sleep 10 # connections close, memory goes back
sample -1 >>"$work/samples"
cp "$work/samples" build/soak.jsonl

node -e '
  const fs = require("fs"), [work, samples, ...names] = process.argv.slice(1);
  for (const n of names) {
    const text = fs.readFileSync(`${work}/${n}.out`, "utf8"), r = text ? JSON.parse(text) : {};
    console.log(`  ${n.padEnd(8)} calls ${r.calls}, http errors ${r.http_errors}, failures ${r.failures}, aborted ${r.aborted}`);
  }
  const rows = fs.readFileSync(samples, "utf8").trim().split("\n").map((l) => JSON.parse(l));
  const cell = (x) => String(x).padStart(11);
  console.log(["process".padEnd(13), "what".padEnd(13), ...["first", "last", "most", "slope/min", "after"].map(cell)].join(" "));
  for (const p of ["weir-proxy", "weir-control"])
    for (const what of ["private_kib", "resident_kib", "fds", "sockets"]) {
      const all = rows.filter((r) => r.process === p && r.t >= 0), late = all.filter((r) => r.t >= all.at(-1).t / 5);
      const n = late.length, mt = late.reduce((s, r) => s + r.t, 0) / n, mv = late.reduce((s, r) => s + r[what], 0) / n;
      const slope = late.reduce((s, r) => s + (r.t - mt) * (r[what] - mv), 0) / (late.reduce((s, r) => s + (r.t - mt) ** 2, 0) || 1);
      console.log([p.padEnd(13), what.padEnd(13), all[0][what], all.at(-1)[what], Math.max(...all.map((r) => r[what])), (slope * 60).toFixed(1), rows.find((r) => r.process === p && r.t < 0)[what]]
        .map((x, i) => (i < 2 ? x : cell(x))).join(" "));
    }
' "$work" "$work/samples" whole large stream abort fails refused breaks
