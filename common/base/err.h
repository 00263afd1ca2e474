/* err.h - the result codes that every module returns, and the error that a user is told. */
#ifndef WEIR_BASE_ERR_H
#define WEIR_BASE_ERR_H

#include <stdbool.h>
#include <stdint.h>

#define WEIR_NODISCARD __attribute__((warn_unused_result))
#define WEIR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Negative and away from UV_E* and errno, so that a mix-up is visible in a log. */
enum weir_rc {
    WEIR_OK = 0,
    WEIR_EINVAL = -10001,    /* input that breaks a rule */
    WEIR_ELIMIT = -10002,    /* a budget, a size or a count is exhausted */
    WEIR_EPROTO = -10003,    /* a peer broke its protocol */
    WEIR_ETIMEOUT = -10004,  /* a deadline passed */
    WEIR_ECANCELED = -10005, /* given up by its owner */
    WEIR_EAGAIN = -10006,    /* would block: ask again when told */
    WEIR_EWAIT = -10007,     /* the answer comes later, by callback */
    WEIR_ENOTFOUND = -10008,
    WEIR_EEXIST = -10009,
    WEIR_EIO = -10010,      /* disk or network failed */
    WEIR_EAUTH = -10011,    /* identity missing, wrong or not allowed */
    WEIR_ETLS = -10012,     /* handshake or certificate */
    WEIR_ECONNECT = -10013, /* no connection could be made */
    WEIR_ECLOSED = -10014,  /* the peer closed before it was done */
    WEIR_EUNSUPPORTED = -10015,
    WEIR_ESTATE = -10016,   /* right call, wrong moment */
    WEIR_ECORRUPT = -10017, /* stored bytes fail their checksum */
    WEIR_ERETRY = -10018,   /* nothing was done; the same may well succeed a moment later */
    WEIR_EUNSURE = -10019,  /* lost contact while it was being done: it happened or it did not */
};

/* A short lower-case word for a code, for logs and metrics ("limit", "timeout"); never NULL. */
const char *weir_rc_name(int rc);

/* Ends the process with a log line: for programmer errors only, in every build. */
_Noreturn void weir_assert_failed(const char *expr, const char *file, int line);

#define WEIR_ASSERT(expr) ((expr) ? (void)0 : weir_assert_failed(#expr, __FILE__, __LINE__))

/* What a client may be told; the strings live in the request's arena or are static. */
struct weir_err {
    int rc;
    uint16_t http_status;
    bool retryable;        /* the same call may pass later, whatever its status says */
    const char *code;      /* stable and documented: "budget_exceeded" */
    const char *detail;    /* one sentence, no secrets, no upstream body */
    int64_t retry_after_s; /* > 0: sent as Retry-After */
};

#endif
