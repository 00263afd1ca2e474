#!/usr/bin/env bash
# Runs the suites and closes with one line: N passed, N failed, N skipped.
#   tests/run.sh                  all of them
#   tests/run.sh unit sanitize …  some
# Suites: lint unit sanitize fuzz integration browser; and, for a night, harness, tsan and coverage. WEIR_NIGHTLY=1 makes the long
# ones longer.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/build/node/bin:$PATH
suites=("$@"); [ $# = 0 ] && suites=(lint unit sanitize fuzz integration browser)
mkdir -p build/artifacts
passed=0 failed=0 skipped=0 broken=() began=0

count() { # suite passed failed skipped
  passed=$((passed + $2)); failed=$((failed + $3)); skipped=$((skipped + $4))
  [ "$3" = 0 ] || broken+=("$1")
  printf '== %s: %s passed, %s failed, %s skipped (%s s)\n' "$1" "$2" "$3" "$4" $((SECONDS - began))
}

build() { # preset [target]
  local log=build/artifacts/build-$1.log from=$SECONDS
  if cmake --preset "$1" >"$log" 2>&1 && cmake --build --preset "$1" ${2:+--target "$2"} -- --quiet >>"$log" 2>&1; then
    [ $((SECONDS - from)) -lt 5 ] || echo "-- built $1 in $((SECONDS - from)) s"
    return 0
  fi
  tail -n 60 "$log"
  return 1
}

run_ctest() { # suite preset flags...
  local log=build/artifacts/ctest-$1.log total bad skip
  if ! build "$2"; then count "$1" 0 1 0; return; fi
  ctest --test-dir "build/$2" "${@:3}" --output-on-failure --no-tests=error -j 2 --output-junit "$PWD/build/artifacts/ctest-$1.xml" >"$log" 2>&1
  local code=$?
  total=$(sed -n 's/.*tests failed out of \([0-9]*\).*/\1/p' "$log" | tail -n 1)
  bad=$(sed -n 's/.*, \([0-9]*\) tests failed out of.*/\1/p' "$log" | tail -n 1)
  skip=$(grep -c '\*\*\*Skipped' "$log")
  if [ -z "$total" ]; then tail -n 60 "$log"; count "$1" 0 1 0; return; fi
  [ "$bad" = 0 ] || { tail -n 30 "$log" | sed -n '/The following tests FAILED/,$p'; grep -a -B 2 -A 40 '\*\*\*' "$log" | grep -av Passed | head -n 150; }
  count "$1" $((total - bad - skip)) "$bad" "$skip"
  [ "$code" = 0 ] || [ "$bad" != 0 ] || count "$1: ctest itself" 0 1 0
}

run_node() { # suite, preset, files
  local suite=$1 log=build/artifacts/node-$1.log n code preset=$2; shift 2
  if [ ! -e "$1" ]; then echo "-- no file matches $1"; count "$suite" 0 0 1; return; fi
  if ! build "$preset"; then count "$suite" 0 1 0; return; fi
  WEIR_BIN=build/$preset/bin node --test --test-concurrency=1 --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$log.tap" "$@" >"$log" 2>&1
  code=$?
  number() { n=$(sed -n "s/^# $1 \([0-9]*\)\$/\1/p" "$log.tap" | tail -n 1); echo "${n:-0}"; }
  local p f s
  p=$(number pass); f=$(($(number fail) + $(number cancelled))); s=$(($(number skipped) + $(number todo)))
  if [ $((p + f + s)) = 0 ] || { [ "$code" != 0 ] && [ "$f" = 0 ]; }; then f=$((f + 1)); fi
  [ "$f" = 0 ] || tail -n 200 "$log"
  count "$suite" "$p" "$f" "$s"
}

lint() { # exit code 77: skipped
  local bad=0 good=0 skip=0 check log=build/artifacts/lint.log
  for check in tests/lint/*.sh; do
    "$check" >"$log" 2>&1
    case $? in
      0) good=$((good + 1)) ;;
      77) skip=$((skip + 1)); echo "lint: $check skipped: $(tail -n 1 "$log")" ;;
      *) bad=$((bad + 1)); echo "lint: $check"; tail -n 40 "$log" ;;
    esac
  done
  count lint "$good" "$bad" "$skip"
}

fuzz_one() { # program seconds
  local name=${1##*/}
  local work=build/artifacts/fuzz-$name corpus=tests/fuzz/${name%%.*}/corpus_${name#*.fuzz_}
  mkdir -p "$work"
  [ -d "$corpus" ] || corpus=
  "$1" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$work/" "$work" $corpus >"$work.log" 2>&1
  echo $? >"$work.code"
}
export -f fuzz_one

fuzz() {
  local seconds=${WEIR_FUZZ_SECONDS:-$([ -n "${WEIR_NIGHTLY:-}" ] && echo 300 || echo 5)} bad=0 good=0 target name
  if ! build fuzz fuzz_targets; then count fuzz 0 1 0; return; fi
  rm -f build/artifacts/fuzz-*.code
  find build/fuzz/fuzz -type f -perm -u+x -print0 | sort -z | xargs -0 -r -n 1 -P 2 bash -c 'fuzz_one "$1" "$0"' "$seconds"
  for target in build/fuzz/fuzz/*; do
    [ -x "$target" ] || continue
    name=${target##*/}
    if [ "$(cat "build/artifacts/fuzz-$name.code" 2>/dev/null)" = 0 ]; then good=$((good + 1))
    else bad=$((bad + 1)); echo "fuzz: $name"; tail -n 40 "build/artifacts/fuzz-$name.log"; fi
  done
  [ $((good + bad)) != 0 ] || bad=1
  count fuzz "$good" "$bad" 0
}

# Agent harnesses are large, so they are installed for this suite only.
harness() {
  if ! (cd tests/harness && npm install --no-audit --no-fund --no-package-lock --ignore-scripts && node node_modules/@anthropic-ai/claude-code/install.cjs) \
    >build/artifacts/harness-install.log 2>&1; then
    tail -n 20 build/artifacts/harness-install.log; count harness 0 1 0; return
  fi
  run_node harness release tests/harness/*.test.mjs
}

# Every report of ThreadSanitizer is a failure, whatever the test said that met it.
tsan() {
  local reports=$PWD/build/artifacts/tsan-report
  rm -f "$reports".*
  export TSAN_OPTIONS="ignore_noninstrumented_modules=1 suppressions=$PWD/tests/tsan.supp log_path=$reports"
  run_ctest tsan tsan --label-exclude model
  run_node tsan-integration tsan tests/integration/{budgets,holds,policy,resilience,review,sdk,streams,telemetry}.test.mjs
  unset TSAN_OPTIONS
  if compgen -G "$reports.*" >/dev/null; then cat "$reports".* | head -n 100; count tsan-reports 0 1 0; else count tsan-reports 1 0 0; fi
}

# Lines that unit and integration tests reach, by folder. Programs write their counts when they end by themselves.
coverage() {
  build coverage || { count coverage 0 1 0; return; }
  find build/coverage -name '*.gcda' -delete
  run_ctest coverage-unit coverage --label-exclude model
  run_node coverage-integration coverage tests/integration/*.test.mjs
  node tests/coverage.mjs build/coverage
}

for suite in "${suites[@]}"; do
  began=$SECONDS
  case $suite in
    lint) lint ;;
    unit) run_ctest unit release ;;
    sanitize) run_ctest sanitize fuzz ;; # one build for both: the fuzz preset has the same sanitizers
    fuzz) fuzz ;;
    integration) run_node integration release tests/integration/*.test.mjs ;;
    browser) run_node browser release tests/browser/*.test.mjs ;;
    harness) harness ;;
    tsan) tsan ;;
    coverage) coverage ;;
    *) echo "no such suite: $suite"; exit 2 ;;
  esac
done
[ ${#broken[@]} = 0 ] || printf 'failed: %s\n' "${broken[*]}"
printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
