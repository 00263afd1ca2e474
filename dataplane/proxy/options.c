/* options.c - see options.h. */
#include "dataplane/proxy/options.h"

#include <stdio.h>

#include "base/flags.h"
#include "common/http/request.h"

#define TEXT(flag, value, member, help)                                                            \
    {                                                                                              \
        flag, value, WEIR_FLAG_TEXT, offsetof(struct weir_proxy_options, member), 0, 0, help       \
    }
#define NUMBER(flag, value, member, min, max, help)                                                \
    {                                                                                              \
        flag, value, WEIR_FLAG_NUMBER, offsetof(struct weir_proxy_options, member), min, max, help \
    }
#define SWITCH(flag, member, help)                                                                 \
    {                                                                                              \
        flag, NULL, WEIR_FLAG_SWITCH, offsetof(struct weir_proxy_options, member), 0, 0, help      \
    }

static const struct weir_flag rows[] = {
    TEXT("--state", "DIR", state, "folder for the journal, the spool and the last good policy"),
    TEXT("--control", "ADDR", control,
         "unix:PATH or HOST:PORT,... of its replicas (none: the last good policy only)"),
    TEXT("--listen", "ADDR", listen, "data port (127.0.0.1:7070)"),
    TEXT("--listen-tls", "ADDR", listen_tls,
         "data port with TLS (none; needs --tls-cert and --tls-key)"),
    TEXT("--tls-cert", "FILE", tls_cert, "its certificate chain, PEM; read again when it changes"),
    TEXT("--tls-key", "FILE", tls_key, "the certificate's private key, PEM"),
    TEXT("--admin", "ADDR", admin, "health and metrics, HOST:PORT or unix:PATH (127.0.0.1:7071)"),
    NUMBER("--workers", "N", workers, 1, 64, "event loops (1)"),
    TEXT("--access-log", "FILE", access_log, "a JSON line per call; - is standard output"),
    TEXT("--node", "NAME", node, "this proxy's name (the host's)"),
    TEXT("--namespace", "NS", namespace_, "its namespace (default)"),
    TEXT("--control-ca", "FILE", control_ca, "the control plane's CA, for HOST:PORT"),
    TEXT("--join-token-file", "FILE", join_token_file, "token for the first certificate"),
    NUMBER("--stream-keepalive-ms", "MS", keepalive_ms, 100, 3600000,
           "silence of a stream after which its client gets an event that it ignores (15000)"),
    NUMBER("--drain-ms", "MS", drain_ms, 0, 3600000,
           "how long open calls may go on after SIGTERM (25000)"),
    NUMBER("--max-body-bytes", "N", max_body_bytes, 1024, 1 << 30,
           "larger request bodies get 413 (33554432)"),
    NUMBER("--max-body-memory", "N", max_body_memory, 1024, 1ll << 40,
           "request bodies that one worker holds together; past it 503 (268435456)"),
    NUMBER("--max-connections", "N", max_connections, 1, 1 << 20,
           "connections that one worker serves (8192)"),
    TEXT("--log-level", "LEVEL", log_level, "debug, info, warn or error (info)"),
    SWITCH("--help", help, "this text"),
    SWITCH("--version", version, "the version"),
};

int weir_proxy_options_parse(int argc, char **argv, struct weir_proxy_options *out, char *error,
                             size_t size)
{
    struct weir_proxy_options o = {.listen = "127.0.0.1:7070",
                                   .admin = "127.0.0.1:7071",
                                   .namespace_ = "default",
                                   .log_level = "info",
                                   .workers = 1,
                                   .keepalive_ms = 15000,
                                   .drain_ms = 25000,
                                   .max_body_bytes = 32 << 20,
                                   .max_body_memory = 256 << 20,
                                   .max_connections = 8192};

    if (weir_flags_parse(rows, sizeof rows / sizeof *rows, argc, argv, &o, error, size))
        return WEIR_EINVAL;
    if (!o.state && !o.help && !o.version) {
        snprintf(error, size, "--state DIR is required: a folder that this proxy may write to");
        return WEIR_EINVAL;
    }
    if ((o.listen_tls || o.tls_cert || o.tls_key) && !(o.listen_tls && o.tls_cert && o.tls_key)) {
        snprintf(error, size,
                 "--listen-tls ADDR, --tls-cert FILE and --tls-key FILE must be given together");
        return WEIR_EINVAL;
    }
    if (o.max_body_memory <= o.max_body_bytes + WEIR_HTTP_BODY_PADDING) {
        snprintf(error, size,
                 "--max-body-memory must be more than --max-body-bytes, or no such body is taken");
        return WEIR_EINVAL;
    }
    *out = o;
    return WEIR_OK;
}

void weir_proxy_options_help(void)
{
    printf("weir-proxy: the data plane of Weir, next to each agent\n\n"
           "  weir-proxy --state DIR [--control unix:PATH|HOST:PORT] [--listen HOST:PORT] ...\n\n");
    weir_flags_help(rows, sizeof rows / sizeof *rows);
}
