#!/usr/bin/env bash
# Each module folder says in at most 30 lines what it is for.
set -euo pipefail
bad=0
for folder in $(git ls-files 'common/*.c' 'dataplane/*.c' 'controlplane/*.c' controlplane/dashboard | xargs -n 1 dirname | cut -d/ -f1,2 | sort -u); do
  readme=$folder/README.md
  if [ ! -s "$readme" ]; then echo "$readme is missing"; bad=1
  elif [ "$(wc -l <"$readme")" -gt 30 ]; then echo "$readme has more than 30 lines"; bad=1; fi
done
exit $bad
