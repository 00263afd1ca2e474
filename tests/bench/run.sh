#!/usr/bin/env bash
# The comparison of performance: every subject meets every scenario in each round; medians, side by side, as a table and
# as JSON lines in build/bench.jsonl (scenario, subject, metric, unit, value, spread). Asserts nothing.
#   tests/bench/run.sh [--quick] [--scenarios "A B"] [--subjects "nginx weir-governed"]
#   WEIR_BENCH_ROUNDS   how often (3)
# A scenario is a file in scenarios/, a subject one in subjects/: a shell file with start(), which prints port=, pids="" and
# if need be key= and path=, and stop(); any gateway can be put there, or named by its path.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PWD/build/node/bin:$PATH:/usr/sbin
here=tests/bench tools=build/release/bench
rounds=${WEIR_BENCH_ROUNDS:-3} factor=1 quick= overshoot=1
scenarios="A B E C D H" subjects="mock nginx weir-bare weir-governed"
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=1 rounds=1 factor=0.35 overshoot= ;;
    --scenarios) scenarios=$2 overshoot=; shift ;;
    --subjects) subjects=$2; shift ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
  shift
done

work=$(mktemp -d) raw=$work/raw.jsonl
started=()
clean() {
  local s
  for s in "${started[@]}"; do in_subject "$s" stop || true; done
  [ -z "${MOCK_PID:-}" ] || kill "$MOCK_PID" 2>/dev/null || true
  if [ -n "${WEIR_KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap clean EXIT
trap 'exit 130' INT TERM
ulimit -n "$(ulimit -Hn)"

# On a machine that others use too, root goes first; all subjects alike.
export BENCH_NICE=''; [ "$(id -u)" != 0 ] || BENCH_NICE="nice -n -15"
pin=()
if command -v taskset >/dev/null && [ "$(nproc)" -ge 2 ]; then
  export SUBJECT_CORE=0 OTHER_CORE=1; pin=($BENCH_NICE taskset -c 1)
else
  export SUBJECT_CORE='' OTHER_CORE=''; echo "one core only: the subject shares it with the rig"
fi

file_of() { case $1 in */*) echo "$1" ;; *) echo "$here/subjects/$1.sh" ;; esac; }
name_of() { basename "${1%.sh}"; }
in_subject() ( # subject function
  export SUBJECT_DIR=$work/$(name_of "$1"); mkdir -p "$SUBJECT_DIR"
  . "$(file_of "$1")"; "$2"
)

memory() { # scenario: private and resident memory of every subject, as raw lines
  local s
  for s in $subjects; do
    ( . "$work/$(name_of "$s").env"
      for p in $pids; do cat "/proc/$p/smaps_rollup" 2>/dev/null || echo "Rss: -1 kB"; done |
        awk -v scenario="$1" -v subject="$(name_of "$s")" '/^Private_Dirty:/ {own += $2} /^Rss:/ {rss += $2}
          END {printf "{\"scenario\":\"%s\",\"subject\":\"%s\",\"round\":0,\"private_kib\":%d,\"resident_kib\":%d}\n", scenario, subject, own, rss}' )
  done >>"$raw"
}

measure() { # scenario subject round
  local port='' path=/v1/chat/completions key=none pids='' other_pids='' title='' unit=request seconds=3 warmup=0.7 bar='' load=() out p
  . "$here/scenarios/$1.conf"; . "$work/$(name_of "$2").env"
  local flags=(); for p in $pids; do flags+=(--pid "$p"); done
  seconds=$(awk "BEGIN {print $seconds * $factor}")
  if out=$("${pin[@]}" "$tools/bench.load" --port "$port" --path "$path" --key "$key" --warmup "$warmup" --seconds "$seconds" "${flags[@]}" "${load[@]}")
  then printf '{"scenario":"%s","subject":"%s","round":%d,"unit":"%s","title":"%s","bar":"%s",%s\n' "$1" "$(name_of "$2")" "$3" "$unit" "$title" "$bar" "${out#\{}" >>"$raw"
  else echo "scenario $1 failed for $2" >&2; fi
}

[ -x "$tools/bench.load" ] && [ -x "$tools/bench.mock" ] && [ -x "$tools/bench.admission" ] || { echo "the rig is not built: make build" >&2; exit 1; }
export MOCK_PORT; MOCK_PORT=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
"${pin[@]}" "$tools/bench.mock" "$MOCK_PORT" >/dev/null & export MOCK_PID=$!
for s in $subjects; do
  started+=("$s")
  in_subject "$s" start >"$work/$(name_of "$s").env" || { echo "$s could not be started" >&2; exit 1; }
done
awk '$1 > 0.8 {print "the machine is busy (load average " $1 "): expect noise"}' /proc/loadavg
sleep 2
memory idle
for round in $(seq "$rounds"); do
  for scenario in $scenarios; do
    [ -n "$quick" ] || printf '\rround %d of %d, scenario %s ' "$round" "$rounds" "$scenario" >&2
    for s in $subjects; do measure "$scenario" "$s" "$round"; done
  done
  # shellcheck disable=SC2086
  ${SUBJECT_CORE:+taskset -c $SUBJECT_CORE} "$tools/bench.admission" >>"$work/admission.jsonl"
  # The next round goes the other way round, so that nobody always follows the same one.
  # shellcheck disable=SC2086
  subjects=$(printf '%s\n' $subjects | tac | tr '\n' ' ')
done
[ -n "$quick" ] || printf '\r%40s\r' '' >&2
sleep 8 # a gateway may give memory back once it has been idle for a while
memory after
mkdir -p build
node "$here/report.mjs" "$raw" "$work/admission.jsonl" build/bench.jsonl
[ -z "$overshoot" ] || "${pin[@]}" node "$here/overshoot.mjs"
