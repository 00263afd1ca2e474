/* err.c - see err.h. */
#include "base/err.h"

#include <stdlib.h>

#include "base/log.h"

const char *weir_rc_name(int rc)
{
    static const struct {
        int rc;
        const char *name;
    } table[] = {
        {WEIR_OK, "ok"},
        {WEIR_EINVAL, "invalid"},
        {WEIR_ELIMIT, "limit"},
        {WEIR_EPROTO, "protocol"},
        {WEIR_ETIMEOUT, "timeout"},
        {WEIR_ECANCELED, "cancelled"},
        {WEIR_EAGAIN, "again"},
        {WEIR_EWAIT, "wait"},
        {WEIR_ENOTFOUND, "not_found"},
        {WEIR_EEXIST, "exists"},
        {WEIR_EIO, "io"},
        {WEIR_EAUTH, "auth"},
        {WEIR_ETLS, "tls"},
        {WEIR_ECONNECT, "connect"},
        {WEIR_ECLOSED, "closed"},
        {WEIR_EUNSUPPORTED, "unsupported"},
        {WEIR_ESTATE, "state"},
        {WEIR_ECORRUPT, "corrupt"},
        {WEIR_ERETRY, "retry"},
        {WEIR_EUNSURE, "unsure"},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].rc == rc)
            return table[i].name;
    return "unknown";
}

void weir_assert_failed(const char *expr, const char *file, int line)
{
    WEIR_LOG(WEIR_LOG_ERROR, "base", "assertion failed: %s at %s:%d", expr, file, line);
    abort();
}
