# The other end alone: what the machine and the rig cost without a gateway.
start() { printf 'port=%s\npids="%s"\n' "$MOCK_PORT" "$MOCK_PID"; }
stop() { :; }
