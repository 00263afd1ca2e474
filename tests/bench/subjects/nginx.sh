# Debian's nginx as a plain proxy: no policy, connections kept open to both sides, access log on, bodies in memory,
# answers passed on as they come.
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

start() {
  local port; port=$(free_port)
  cat >"$SUBJECT_DIR/nginx.conf" <<CONF
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid $SUBJECT_DIR/nginx-master.pid;
error_log $SUBJECT_DIR/error.log;
events { worker_connections 16384; }
http {
  access_log $SUBJECT_DIR/access.log;
  client_body_temp_path $SUBJECT_DIR/body; proxy_temp_path $SUBJECT_DIR/proxy; fastcgi_temp_path $SUBJECT_DIR/fastcgi;
  uwsgi_temp_path $SUBJECT_DIR/uwsgi; scgi_temp_path $SUBJECT_DIR/scgi;
  client_max_body_size 32m;
  client_body_buffer_size 256k;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  upstream mock { server 127.0.0.1:$MOCK_PORT; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:$port backlog=4096;
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
    location = /readyz { access_log off; return 200; }
  }
}
CONF
  launch nginx "$SUBJECT_CORE" nginx -p "$SUBJECT_DIR" -c "$SUBJECT_DIR/nginx.conf"
  wait_http nginx "http://127.0.0.1:$port/readyz"
  printf 'port=%s\npids="%s %s"\n' "$port" "$(pid_of nginx)" "$(cat "/proc/$(pid_of nginx)/task/$(pid_of nginx)/children")"
}

stop() { end nginx; }
