#!/usr/bin/env bash
# Every C file is as clang-format 14 (Debian 12's) leaves it; other versions differ in details, so with them it is skipped.
set -euo pipefail
clang-format --version | grep -q 'version 14\.' || { echo "clang-format 14 decides, this is $(clang-format --version)"; exit 77; }
git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
