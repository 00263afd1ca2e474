#!/usr/bin/env bash
# `make run`: starts Weir on this machine, sends one call, shows the answer and its cost, stays up until Ctrl-C.
#   WEIR_STATE   state folder   (default ~/.local/state/weir)
#   WEIR_POLICY  policy folder  (default deploy/local/policy)
#   WEIR_UP      further flags of `weir up`, e.g. "--listen 127.0.0.1:8080"
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PWD/build/node/bin:$PATH
state=${WEIR_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/weir}
policy=${WEIR_POLICY:-deploy/local/policy}
bin=build/release/bin
[ -x "$bin/weir" ] || { echo "Weir is not built: make run" >&2; exit 1; }
work=$(mktemp -d)
ready=$work/ready head=$work/head body=$work/body up=

# However this script ends, what it started ends first. Weir has a session of its own, so that a Ctrl-C reaches it once,
# from here; a second one ends it at once.
stop() {
  trap 'kill -TERM "$up" 2>/dev/null' INT TERM
  if [ -n "$up" ]; then
    kill -TERM "$up" 2>/dev/null || true
    while kill -0 "$up" 2>/dev/null; do wait "$up" 2>/dev/null || true; done
  fi
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 0' INT # the way to stop it, not a failure
trap 'exit 143' TERM

# The answer's text; the body as it came where there is no Node to read it.
show_answer() {
  node -e 'const a = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
    console.log("  " + (a.choices ? a.choices[0].message.content : JSON.stringify(a.error)));' "$body" 2>/dev/null ||
    { cat "$body"; echo; }
}

# shellcheck disable=SC2086
setsid "$bin/weir" up --state "$state" --policy "$policy" --ready-file "$ready" ${WEIR_UP:-} &
up=$!
while [ ! -e "$ready" ]; do
  if ! kill -0 "$up" 2>/dev/null; then
    code=0; wait "$up" || code=$?
    up=; [ "$code" != 0 ] || code=1
    exit "$code"
  fi
  sleep 0.05
done
gateway=$(sed -n 's/^gateway=//p' "$ready"); model=$(sed -n 's/^model=//p' "$ready")

printf '\nOne call through the gateway (model %s):\n' "$model"
if curl -sS --max-time 120 -D "$head" -o "$body" "$gateway/v1/chat/completions" \
  -H @- -H 'Content-Type: application/json' \
  -d "{\"model\":\"$model\",\"max_tokens\":200,\"messages\":[{\"role\":\"user\",\"content\":\"Say hello to whoever has just started Weir.\"}]}" \
  <<<"Authorization: Bearer $(cat "$state/local.key")"
then
  show_answer
  awk 'tolower($1) ~ /^x-weir-/ {printf "  %s %s\n", $1, $2}' "$head"
else
  echo "  the call failed"
fi
printf '\nWeir is up. Ctrl-C stops it.\n'
wait "$up"
