# Weir with the least policy that lets a call pass: a key, a route, no budget, no access log.
budgets= proxy_flags=
. "$(dirname "${BASH_SOURCE[0]}")/lib/weir.sh"
