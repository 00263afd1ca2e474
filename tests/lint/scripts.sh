#!/usr/bin/env bash
# Every script can at least be read by what runs it; where shellcheck is installed, it finds nothing of weight either.
set -euo pipefail
node=$PWD/build/node/bin/node; [ -x "$node" ] || node=node
bad=0
while IFS= read -r f; do bash -n "$f" || bad=1; done < <(git ls-files '*.sh')
while IFS= read -r f; do "$node" --check "$f" || bad=1; done < <(git ls-files '*.mjs' '*.js')
if command -v shellcheck >/dev/null; then git ls-files -z '*.sh' | xargs -0 shellcheck --severity=warning || bad=1; fi
exit $bad
