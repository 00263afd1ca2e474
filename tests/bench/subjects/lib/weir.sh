# Both planes of Weir with a policy of one agent, one provider (the mock) and $budgets; $proxy_flags go to weir-proxy.
# The subject is the proxy: the control plane is pinned to the other core, as if it ran elsewhere.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
bin=build/release/bin
key=wk-bench-0123456789abcdef

policy() {
  cat <<YAML
apiVersion: weir.dev/v1alpha1
kind: Provider
metadata: {name: mock}
spec:
  dialect: openai
  endpoint: http://127.0.0.1:$MOCK_PORT
  credential: {env: MOCK_KEY}
  maxConnections: 4096
---
apiVersion: weir.dev/v1alpha1
kind: Agent
metadata: {name: bench}
spec:
  project: bench
  team: weir
  keys: [{id: bench-key, sha256: $(printf %s "$key" | sha256sum | cut -d' ' -f1)}]
---
apiVersion: weir.dev/v1alpha1
kind: Route
metadata: {name: all}
spec:
  groups:
    - targets: [{provider: mock}]
---
apiVersion: weir.dev/v1alpha1
kind: PriceList
metadata: {name: mock}
spec:
  prices:
    - {model: "mock-*", input: 0.15, output: 0.60, cacheRead: 0.075, maxOutputTokens: 4000}
$budgets
YAML
}

start() {
  local api listen admin
  api=127.0.0.1:$(free_port) listen=$(free_port) admin=127.0.0.1:$(free_port)
  mkdir -p "$SUBJECT_DIR/policy"; mkdir -p -m 700 "$SUBJECT_DIR/control" "$SUBJECT_DIR/proxy"
  policy >"$SUBJECT_DIR/policy/policy.yaml"
  export MOCK_KEY=sk-mock
  launch weir-control "${OTHER_CORE:-}" "$bin/weir-control" --state "$SUBJECT_DIR/control" --policy "$SUBJECT_DIR/policy" \
    --grpc "unix:$SUBJECT_DIR/control.sock" --api "$api" --log-level warn
  wait_http weir-control "http://$api/readyz"
  # shellcheck disable=SC2086
  launch weir-proxy "$SUBJECT_CORE" "$bin/weir-proxy" --state "$SUBJECT_DIR/proxy" --control "unix:$SUBJECT_DIR/control.sock" \
    --listen "127.0.0.1:$listen" --admin "$admin" --node bench --log-level warn --drain-ms 0 $proxy_flags
  wait_http weir-proxy "http://$admin/readyz"
  printf 'port=%s\nkey=%s\npath=%s\npids="%s"\nother_pids="%s"\n' "$listen" "$key" "${client_path:-/v1/chat/completions}" \
    "$(pid_of weir-proxy)" "$(pid_of weir-control)"
}

stop() { end weir-proxy weir-control; }
