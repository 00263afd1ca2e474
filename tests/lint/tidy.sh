#!/usr/bin/env bash
# clang-tidy finds nothing in any C file. What was clean is remembered in build/tidy by the content of the file and of all
# that it includes from here, so that only what has changed is looked at again (from nothing: some minutes).
set -euo pipefail
export TIDY
TIDY=$(command -v clang-tidy-14 || command -v clang-tidy) || { echo "clang-tidy is not installed (Debian package clang-tidy)"; exit 1; }
cmake --preset release >/dev/null
cmake --build --preset release -- --quiet >/dev/null
mkdir -p build/tidy

check() { # source, what it includes: relative to the build's folder
  local key found
  key=$({ "$TIDY" --version; cat ../../.clang-tidy ../../tests/.clang-tidy "$@"; } | sha256sum | cut -c1-32)
  [ ! -e "../tidy/$key" ] || return 0
  if found=$("$TIDY" -p . --quiet "$1" 2>/dev/null); then touch "../tidy/$key"; else echo "$found"; return 1; fi
}
export -f check

# ninja names a file from here or from the root, as CMake's version has it; what is neither is not ours.
root=$PWD
cd build/release
files=$(ninja -t deps | awk -v root="$root/" '
  function end() {if (line) print line; line = ""}
  /^[^ ]/ {end(); first = 1}
  /^ / {
    ours = index($1, "../../") == 1 || (index($1, root) == 1 && index($1, root "build/") != 1)
    if (first) {skip = !ours; first = 0}
    if (ours && !skip) line = line (line ? " " : "") $1
  }
  END {end()}' | sort -u)
[ -n "$files" ] || { echo "ninja knows no file of ours"; exit 1; }
xargs -P "$(nproc)" -L 1 bash -c 'check "$@"' check <<<"$files"
