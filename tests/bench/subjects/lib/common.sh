# For subject files: how processes are started, found and ended.
#   SUBJECT_DIR   a folder of this subject's own
#   SUBJECT_CORE  the core that it is pinned to; empty: none
#   MOCK_PORT     the provider

free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }

# launch NAME CORE COMMAND...: in the background, output to NAME.log, process id to NAME.pid
launch() {
  local name=$1 core=$2; shift 2
  local pin=(); [ -z "$core" ] || pin=(taskset -c "$core")
  # shellcheck disable=SC2086
  ${BENCH_NICE:-} "${pin[@]}" "$@" >"$SUBJECT_DIR/$name.log" 2>&1 </dev/null &
  echo $! >"$SUBJECT_DIR/$name.pid"
}

pid_of() { cat "$SUBJECT_DIR/$1.pid"; }

# wait_http NAME URL: until URL answers 200, or the process has ended
wait_http() {
  local i
  for i in $(seq 200); do
    [ "$(curl -s -o /dev/null -m 2 -w '%{http_code}' "$2")" != 200 ] || return 0
    kill -0 "$(pid_of "$1")" 2>/dev/null || break
    sleep 0.05
  done
  echo "$1 does not answer at $2:" >&2; tail -n 20 "$SUBJECT_DIR/$1.log" >&2
  return 1
}

# end NAME...: SIGTERM, and SIGKILL after ten seconds
end() {
  local name pid i
  for name in "$@"; do
    pid=$(pid_of "$name" 2>/dev/null) || continue
    kill "$pid" 2>/dev/null || continue
    for i in $(seq 100); do kill -0 "$pid" 2>/dev/null || continue 2; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null || true
  done
}
