#!/usr/bin/env bash
# Many simulated proxies on one stream server, as a table: how long until a change of policy is in force at all of them,
# and how they come back after the server was killed. Exit code 1 when a proxy missed a change.
#   tests/fleet/run.sh [proxies] [changes] [resources]   1000 20 200 by default
set -euo pipefail
cd "$(dirname "$0")/../.."
program=build/release/fleet/fleet
[ -x "$program" ] || { echo "the fleet is not built: make build" >&2; exit 1; }
# Each proxy takes a descriptor on both sides.
ulimit -n "$(ulimit -Hn)"
exec "$program" "$@"
