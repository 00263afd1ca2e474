/* log.c - see log.h. The level is the one process-wide setting of Weir: it is written once at
 * start. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

static atomic_int threshold = WEIR_LOG_INFO;
static const char *const names[] = {"debug", "info", "warn", "error"};

int weir_log_set_level(const char *name)
{
    for (int i = 0; i <= WEIR_LOG_ERROR; i++) {
        if (weir_str_is(weir_str_of(name), names[i])) {
            atomic_store(&threshold, i);
            return WEIR_OK;
        }
    }
    return WEIR_EINVAL;
}

int weir_log_enabled(enum weir_log_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

void weir_log_write(enum weir_log_level level, const char *component, const char *fmt, ...)
{
    char message[2048];
    struct timespec now;
    struct tm tm;
    struct weir_buf line;
    va_list args;
    int n, saved = errno;

    va_start(args, fmt);
    n = vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (n < 0)
        n = 0;
    if ((size_t)n >= sizeof message)
        n = sizeof message - 1;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    weir_buf_init(&line, 16384);
    weir_buf_addf(&line,
                  "{\"ts\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"level\":\"%s\",\"component\":"
                  "\"%s\",\"msg\":",
                  tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                  now.tv_nsec / 1000000, names[level], component);
    weir_buf_add_json(&line, (struct weir_str){message, (size_t)n});
    weir_buf_add(&line, "}\n", 2);
    if (write(STDERR_FILENO, line.p, line.n) < 0) {
        /* nowhere left to say so */
    }
    weir_buf_fini(&line);
    errno = saved;
}
