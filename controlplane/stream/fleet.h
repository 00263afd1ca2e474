/* fleet.h - what the streams know of every proxy, copied out for the API. Any thread. */
#ifndef WEIR_STREAM_FLEET_H
#define WEIR_STREAM_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_stream;

struct weir_fleet_error {
    const char *type, *name, *path, *reason;
};

struct weir_fleet_proxy {
    const char *node, *incarnation, *ns, *build, *peer;
    bool connected; /* a proxy that left stays listed for an hour */
    uint32_t workers;
    int64_t connected_ms, last_seen_ms;           /* wall clock */
    const char *acked_revision, *target_revision; /* "" for none */
    int64_t outstanding_since_ms;                 /* 0: nothing outstanding */
    const char *nacked_revision;                  /* "" when the last answer was an ACK */
    int64_t nacked_ms;
    const struct weir_fleet_error *errors; /* of that NACK */
    size_t error_count;
    uint64_t in_flight, calls, resident_bytes, spool_bytes, cpu_micros; /* its last status */
    const char *problem; /* what an operator should look at; "" for none */
};

/* How proxies took one resource of the policy now in force. */
struct weir_fleet_resource {
    const char *type, *name, *version;
    uint32_t programmed, nacked, pending; /* connected proxies of its namespace */
    const char *reason;                   /* one proxy's reason for refusing it; NULL */
};

/* One allocation, freed at once. */
struct weir_fleet {
    const struct weir_fleet_proxy *proxies;
    size_t proxy_count;
    const struct weir_fleet_resource *resources;
    size_t resource_count;
    /* Since the start. refused: proxies sent away when full, and enrolments. */
    uint64_t txns_sent, acks, nacks, closed_slow, refused;
};

/* Waits for the stream thread, at most a few milliseconds: from a pool thread, not from a loop. */
struct weir_fleet *weir_fleet_snapshot(struct weir_stream *s);
void weir_fleet_free(struct weir_fleet *f); /* NULL is fine */

#endif
