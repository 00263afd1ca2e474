#!/usr/bin/env bash
# What is unfinished is in an issue, not in a comment; nothing tells whose machine it was written on, and package hosts
# are the installing machine's choice. The patterns are written so that this file does not find itself.
set -euo pipefail
bad=0
refuse() { # what it is, pattern
  if git grep -InE "$2"; then echo "^ $1"; bad=1; fi
}
refuse 'a note of unfinished work' '\b(TO[D]O|FIX[M]E|XX[X])\b'
refuse 'a path of one machine' '(^|[^[:alnum:]_.~$}-])/(home/[a-z]|roo[t]/|wor[k]/|User[s]/|tmp/w[t]/)'
refuse 'a package host' '\b(registry[.]npmjs|registry[.]yarnpkg|(deb|security|ftp|snapshot)[.]debian|(archive|security)[.]ubuntu|pypi[.](org|python)|pythonhosted[.]org|crates[.]io|proxy[.]golang|rubygems[.]org|repo[.]maven|repo1[.]maven|registry-1[.]docker|docker[.]io|ghcr[.]io|quay[.]io|gcr[.]io|jfrog[.]io|artifactor[y]|nexus-repositor[y])'
exit $bad
