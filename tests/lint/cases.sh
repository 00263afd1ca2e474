#!/usr/bin/env bash
# Each acceptance case of the budgets (B-) and of usage in streams (S-) is named by a test.
#   tests/lint/cases.sh        says which are not
#   tests/lint/cases.sh list   says where each one is proved
set -euo pipefail
missing=(S-17) # guardrails: not there yet
bad=0
for case in B-{01..29} S-{01..18}; do
  letter=${case%-*} number=${case#*-}
  files=$(git grep -lE "\"[^\"]*\b$case\b|\`[^\`]*\b$case\b|void ([a-z0-9_]*_)?${letter,,}_${number}_" -- 'tests/*.mjs' 'tests/*.c' ':!tests/*/lib/*' | sed 's|^tests/||' | tr '\n' ' ') || files=''
  [ "${1:-}" != list ] || echo "$case: ${files:-none}"
  if [ -z "$files" ] && [[ " ${missing[*]} " != *" $case "* ]]; then echo "$case: no test has it in its name"; bad=1; fi
  if [ -n "$files" ] && [[ " ${missing[*]} " == *" $case "* ]]; then echo "$case: has a test now, and is listed as missing"; bad=1; fi
done
exit $bad
