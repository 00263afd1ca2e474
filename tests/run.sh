#!/usr/bin/env bash
# Runs the suites and closes with one line: N passed, N failed, N skipped.
#   tests/run.sh                  all of them
#   tests/run.sh unit sanitize …  some
# Suites: lint unit sanitize fuzz integration browser. WEIR_NIGHTLY=1 makes the long ones longer.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/build/node/bin:$PATH
suites=("$@"); [ $# = 0 ] && suites=(lint unit sanitize fuzz integration browser)
mkdir -p build/artifacts
passed=0 failed=0 skipped=0 broken=()

count() { # suite passed failed skipped
  passed=$((passed + $2)); failed=$((failed + $3)); skipped=$((skipped + $4))
  [ "$3" = 0 ] || broken+=("$1")
  printf '== %s: %s passed, %s failed, %s skipped\n' "$1" "$2" "$3" "$4"
}

build() { # preset [targets]
  cmake --preset "$1" >"build/cmake-$1.log" 2>&1 && cmake --build --preset "$1" -- --quiet >"build/build-$1.log" 2>&1 && return
  tail -n 40 "build/cmake-$1.log" "build/build-$1.log" 2>/dev/null
  return 1
}

run_ctest() { # suite preset label
  local log=build/artifacts/ctest-$1.log total bad
  if ! build "$2"; then count "$1" 0 1 0; return; fi
  ctest --test-dir "build/$2" -L "$3" --output-on-failure -j 2 >"$log" 2>&1
  total=$(sed -n 's/.*tests failed out of \([0-9]*\).*/\1/p' "$log")
  bad=$(sed -n 's/.*, \([0-9]*\) tests failed out of.*/\1/p' "$log")
  if [ -z "$total" ]; then tail -n 20 "$log"; count "$1" 0 1 0; return; fi
  [ "$bad" = 0 ] || tail -n 120 "$log"
  count "$1" $((total - bad)) "$bad" 0
}

run_node() { # suite folder
  local log=build/artifacts/node-$1.log p f s
  if ! build release; then count "$1" 0 1 0; return; fi
  node --test --test-concurrency=1 --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$log.tap" $2 >"$log" 2>&1
  p=$(sed -n 's/^# pass \([0-9]*\)$/\1/p' "$log.tap"); f=$(sed -n 's/^# fail \([0-9]*\)$/\1/p' "$log.tap"); s=$(sed -n 's/^# skipped \([0-9]*\)$/\1/p' "$log.tap")
  if [ -z "$p" ]; then tail -n 60 "$log"; count "$1" 0 1 0; return; fi
  [ "$f" = 0 ] || tail -n 200 "$log"
  count "$1" "$p" "${f:-0}" "${s:-0}"
}

lint() {
  local bad=0 good=0
  for check in tests/lint/*.sh; do
    if "$check" >build/artifacts/lint.log 2>&1; then good=$((good + 1)); else bad=$((bad + 1)); echo "lint: $check"; tail -n 40 build/artifacts/lint.log; fi
  done
  count lint "$good" "$bad" 0
}

fuzz() {
  local seconds=${WEIR_FUZZ_SECONDS:-$([ -n "${WEIR_NIGHTLY:-}" ] && echo 60 || echo 5)} bad=0 good=0
  if ! build fuzz; then count fuzz 0 1 0; return; fi
  for target in build/fuzz/fuzz/*; do
    [ -x "$target" ] || continue
    local name=${target##*/} module short corpus work
    module=${name%%.*} short=${name#*.fuzz_} work=build/artifacts/fuzz-$name
    corpus=tests/fuzz/$module/corpus_$short
    mkdir -p "$work"
    if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$work/" "$work" $([ -d "$corpus" ] && echo "$corpus") >"$work.log" 2>&1
    then good=$((good + 1)); else bad=$((bad + 1)); echo "fuzz: $name"; tail -n 40 "$work.log"; fi
  done
  count fuzz "$good" "$bad" 0
}

for suite in "${suites[@]}"; do
  case $suite in
    lint) lint ;;
    unit) run_ctest unit release 'unit|fuzz|model' ;;
    sanitize) run_ctest sanitize asan-ubsan 'unit|fuzz|model' ;;
    fuzz) fuzz ;;
    integration) run_node integration "tests/integration/" ;;
    browser) run_node browser "tests/browser/" ;;
    *) echo "no such suite: $suite"; exit 2 ;;
  esac
done
[ ${#broken[@]} = 0 ] || printf 'failed: %s\n' "${broken[*]}"
printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
