/* sigv4.h - AWS Signature Version 4 of a request's headers (AWS General Reference, "Signing AWS API
 * requests"), for services other than S3: path parts are encoded twice and dots resolved. Pure
 * code: any thread, no I/O, no clock. */
#ifndef WEIR_HTTP_SIGV4_H
#define WEIR_HTTP_SIGV4_H

#include "base/arena.h"
#include "base/hash.h"
#include "http/message.h"

enum { WEIR_SIGV4_HEADERS = 16, WEIR_SIGV4_QUERY = 64 };

struct weir_sigv4_keys {
    struct weir_str id, secret;
    struct weir_str token; /* of a session; absent: none. It is a header of the request already */
    struct weir_str region, service;
};

struct weir_sigv4_request {
    struct weir_str method;
    struct weir_str target;                 /* as it is sent: path and query, percent-encoded */
    const struct weir_http_header *headers; /* those that are signed: host and x-amz-date at least,
                                             * in any order and case */
    size_t header_count;                    /* at most WEIR_SIGV4_HEADERS */
    const struct weir_str *body;            /* in pieces */
    size_t body_count;
};

enum { WEIR_SIGV4_DATE_BYTES = 17 };

/* "20150830T123600Z", for the header x-amz-date. */
void weir_sigv4_date(int64_t unix_s, char out[WEIR_SIGV4_DATE_BYTES]);

/* The value of the header "authorization"; *out is the arena's. date is that of x-amz-date.
 * WEIR_ELIMIT: more headers or parameters than are signed. */
WEIR_NODISCARD int weir_sigv4_sign(const struct weir_sigv4_keys *keys,
                                   const struct weir_sigv4_request *request, const char *date,
                                   struct weir_arena *a, struct weir_str *out);

#endif
