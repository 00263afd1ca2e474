#!/usr/bin/env bash
# Files hold one thing each: 1,000 lines at the very most, headers 260.
set -euo pipefail
git ls-files '*.c' '*.h' | xargs wc -l | awk '$2 != "total" && ($1 > 1000 || ($2 ~ /\.h$/ && $1 > 260)) {print; bad = 1} END {exit bad}'
