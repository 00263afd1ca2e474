#!/usr/bin/env bash
# `make run`: starts Weir on this machine, sends one call, shows the answer and its cost, stays up until Ctrl-C.
#   WEIR_STATE   state folder   (default ~/.local/state/weir)
#   WEIR_POLICY  policy folder  (default deploy/local/policy)
#   WEIR_UP      further flags of `weir up`, e.g. "--listen 127.0.0.1:8080"
set -euo pipefail
cd "$(dirname "$0")/../.."
state=${WEIR_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/weir}
policy=${WEIR_POLICY:-deploy/local/policy}
bin=build/release/bin
ready=$(mktemp -u)

# shellcheck disable=SC2086
"$bin/weir" up --state "$state" --policy "$policy" --ready-file "$ready" ${WEIR_UP:-} &
up=$!
stop() { trap - INT TERM; kill -INT "$up" 2>/dev/null || true; wait "$up" || true; rm -f "$ready"; }
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM

while [ ! -e "$ready" ]; do
  kill -0 "$up" 2>/dev/null || { wait "$up" || exit $?; exit 1; }
  sleep 0.05
done
gateway=$(sed -n 's/^gateway=//p' "$ready"); model=$(sed -n 's/^model=//p' "$ready")

printf '\nOne call through the gateway (model %s):\n' "$model"
head=$(mktemp)
curl -sS -D "$head" "$gateway/v1/chat/completions" \
  -H "Authorization: Bearer $(cat "$state/local.key")" -H 'Content-Type: application/json' \
  -d "{\"model\":\"$model\",\"max_tokens\":200,\"messages\":[{\"role\":\"user\",\"content\":\"Say hello to whoever has just started Weir.\"}]}" |
  node -e 'const a = JSON.parse(require("fs").readFileSync(0, "utf8")); console.log("  " + (a.choices ? a.choices[0].message.content : JSON.stringify(a.error)));'
awk 'tolower($1) ~ /^x-weir-/ {printf "  %s %s\n", $1, $2}' "$head"
rm -f "$head"
printf '\nWeir is up. Ctrl-C stops it.\n'
wait "$up"
