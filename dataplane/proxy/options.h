/* options.h - the command line of weir-proxy. The strings are borrowed from argv and the
 * environment. */
#ifndef WEIR_PROXY_OPTIONS_H
#define WEIR_PROXY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct weir_proxy_options {
    const char *state;   /* folder for journal, spool and last-known-good policy */
    const char *control; /* unix:PATH or HOST:PORT; NULL: none, only the last-known-good policy */
    const char *listen;  /* HOST:PORT of the data port */
    const char *listen_tls; /* HOST:PORT of the same with TLS; NULL: none */
    const char *tls_cert, *tls_key;
    const char *admin;      /* HOST:PORT or unix:PATH of health and metrics */
    const char *access_log; /* path, "-" for standard output, NULL for none */
    const char *node, *namespace_;
    const char *control_ca, *join_token_file;
    const char *log_level;
    int64_t workers;
    int64_t keepalive_ms; /* silence of a stream after which its client is told that it goes on */
    int64_t drain_ms;     /* how long open calls may go on after SIGTERM */
    int64_t max_body_bytes;
    int64_t max_body_memory; /* of all bodies that one worker holds */
    int64_t max_connections; /* per worker */
    bool help, version;
};

/* WEIR_EINVAL: error (size bytes) says which flag is wrong and how to mend it. */
WEIR_NODISCARD int weir_proxy_options_parse(int argc, char **argv, struct weir_proxy_options *out,
                                            char *error, size_t size);
void weir_proxy_options_help(void); /* to standard output */

#endif
