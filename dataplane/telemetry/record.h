/* record.h - the one record of a call: filled by the pipeline in a worker, encoded there in one
 * pass, and read back on the hub.
 *
 * Strings are borrowed (from the exchange's arena or the policy) until weir_record_encode()
 * returns. Never put a key, a header or a payload into a record: what is here is logged. */
#ifndef WEIR_TELEMETRY_RECORD_H
#define WEIR_TELEMETRY_RECORD_H

#include "base/arena.h"
#include "base/buf.h"

enum {
    WEIR_RECORD_MAX_ATTEMPTS = 16,
    WEIR_RECORD_MAX_HOLDS = 32,
    WEIR_RECORD_MAX_COST_PARTS = 16,
    WEIR_RECORD_MAX_STRING = 512,     /* longer texts are cut, at a UTF-8 border, when encoded */
    WEIR_RECORD_MAX_BYTES = 128 << 10 /* of one encoded record; the limits above keep below it */
};

/* -1: the provider did not say; 0 is a number like any other. */
struct weir_record_usage {
    int64_t input_tokens, output_tokens, cache_read_tokens, cache_write_tokens;
    int64_t cache_write_1h_tokens, reasoning_tokens;
    bool estimated; /* counted by the proxy */
};

struct weir_record_cost_part {
    const char *kind; /* as in weir_cost_part */
    int64_t tokens;
    int64_t price; /* nano-USD per million tokens; each, for `webSearch` and `request` */
};

struct weir_record_attempt {
    struct weir_str provider, model;
    struct weir_str error; /* absent or "": went well; else connect, timeout, closed, tls, http */
    int32_t status;
    bool reused_connection;
    int64_t duration_us;
    int64_t cost_nano_usd;
};

struct weir_record_hold {
    struct weir_str budget, scope, lease;
    const char *unit; /* NULL: usd; tokens, requests */
    int64_t held, settled;
    bool refused;
};

enum weir_outcome {
    WEIR_OUTCOME_OK,
    WEIR_OUTCOME_REFUSED, /* by policy */
    WEIR_OUTCOME_FAILED,
    WEIR_OUTCOME_ABORTED, /* by the client */
    WEIR_OUTCOME_CUT,     /* by a budget */
    WEIR_OUTCOME_COUNT
};

/* Absent strings and zero numbers are left out of the encoding, except usage (-1 is left out). */
struct weir_record {
    struct weir_str request_id, trace_id, span_id, parent_span_id; /* hex */
    struct weir_str session;
    int64_t started_ms; /* wall clock */
    int64_t duration_us, first_byte_us, first_token_us, gateway_us;

    struct weir_str ns, agent, key, organization, project, team, environment, user_agent;

    const char *operation; /* chat, messages, models, count_tokens, ... */
    const char *dialect;   /* openai, anthropic */
    struct weir_str route, provider, requested_model, served_model;
    bool stream;
    bool cached; /* answered from the response cache */

    int32_t status;
    enum weir_outcome outcome;
    struct weir_str error_code, error_detail;
    struct weir_str finish_reason;

    struct weir_record_usage usage;
    int64_t cost_nano_usd;
    const char *price_source; /* "unknown": no price was found */
    struct weir_record_cost_part cost_parts[WEIR_RECORD_MAX_COST_PARTS];
    size_t cost_part_count;
    const struct weir_record_hold *holds; /* at most WEIR_RECORD_MAX_HOLDS are encoded */
    size_t hold_count;
    const struct weir_record_attempt *attempts; /* at most WEIR_RECORD_MAX_ATTEMPTS */
    size_t attempt_count;

    int64_t request_bytes, response_bytes, chunks;
    struct weir_str policy_revision;
};

/* All absent: needed, since usage that is not known is -1. */
void weir_record_init(struct weir_record *r);

const char *weir_outcome_name(enum weir_outcome o);

/* Appends r as a packed CallRecord without its sequence, which the spool puts in front of it.
 * WEIR_ELIMIT: out is full, and nothing was appended. */
WEIR_NODISCARD int weir_record_encode(const struct weir_record *r, struct weir_buf *out);

/* ---- W3C Trace Context (level 1) ---- */

struct weir_traceparent {
    char trace_id[33], span_id[17]; /* lower-case hex, terminated */
    uint8_t flags;                  /* 1: sampled */
};

/* WEIR_EINVAL: malformed, all-zero ids, or version ff. Later versions are read as version 00. */
WEIR_NODISCARD int weir_traceparent_parse(struct weir_str header, struct weir_traceparent *out);
/* "00-<trace>-<span>-<flags>" and a NUL. */
void weir_traceparent_format(const struct weir_traceparent *t, char out[56]);

#endif
