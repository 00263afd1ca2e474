# Weir with all that it does for a call: a key, three budgets (dollars, tokens, calls), record, access log.
proxy_flags="--access-log $SUBJECT_DIR/access.log"
budget() { printf -- '---\napiVersion: weir.dev/v1alpha1\nkind: Budget\nmetadata: {name: %s}\nspec: {limit: {%s}, window: %s}\n' "$1" "$2" "$3"; }
budgets=$(budget money "usd: 1000000" month; budget tokens "tokens: 1000000000000" week; budget calls "requests: 1000000000" day)
. "$(dirname "${BASH_SOURCE[0]}")/lib/weir.sh"
