# weir-bare for a client that speaks Anthropic Messages to the same provider: every call and answer is translated.
budgets= proxy_flags= client_path=/v1/messages
. "$(dirname "${BASH_SOURCE[0]}")/lib/weir.sh"
