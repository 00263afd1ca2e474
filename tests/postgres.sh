#!/usr/bin/env bash
# A PostgreSQL of one's own in a new or an earlier folder: postgres.sh FOLDER [-c SETTING=VALUE]...
# With STANDBY_OF=FOLDER a new one begins as a copy of that server, which runs, and follows it.
# Listens on a Unix socket in that folder only; ends with the process that started it. Reach it by
#   postgres:///postgres?host=FOLDER&user=weir
set -euo pipefail
dir=${1:?folder}
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -x "${bin:-}/postgres" ] || bin=$(dirname "$(command -v postgres || echo /nowhere/postgres)")
[ -x "$bin/postgres" ] || { echo "postgres.sh: no PostgreSQL server here: install Debian's package postgresql" >&2; exit 69; }

# It refuses to run as root.
as=()
mkdir -p "$dir"
if [ "$(id -u)" = 0 ]; then
  as=(--reuid=nobody --regid=nogroup --clear-groups)
  chown nobody:nogroup "$dir"
  run=(setpriv "${as[@]}")
else
  run=()
fi
cd "$dir"
[ -f "$dir/data/PG_VERSION" ] || [ -z "${STANDBY_OF:-}" ] ||
  "${run[@]}" "$bin/pg_basebackup" -D "$dir/data" -h "$STANDBY_OF" -U weir -R -X stream -c fast --no-sync >"$dir/copy.log" 2>&1 ||
  { cat "$dir/copy.log" >&2; exit 70; }
[ -f "$dir/data/PG_VERSION" ] ||
  "${run[@]}" "$bin/initdb" -D "$dir/data" -U weir -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 ||
  { cat "$dir/initdb.log" >&2; exit 70; }
# SIGQUIT: at once, as if the power had gone.
exec setpriv "${as[@]}" --pdeathsig QUIT "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= \
  -c fsync=off -c log_min_messages=fatal "${@:2}"
