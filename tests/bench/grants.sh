#!/usr/bin/env bash
# A grant's latency at 1,000 a second on both engines, on this machine's disk: grants.sh [BUILD]
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build/release}
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-grants-XXXXXX")
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || { kill -INT "$server"; wait "$server" || true; }; rm -rf "$dir"' EXIT
"$root/tests/postgres.sh" "$dir/pg" -c fsync=on &
server=$!
for _ in $(seq 600); do [ ! -S "$dir/pg/.s.PGSQL.5432" ] || break; sleep 0.1; done
"$build/bench/bench.grants" "$dir/ledger.db" "postgresql:///postgres?host=$dir/pg&user=weir"
