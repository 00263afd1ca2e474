/* log.h - the operational log: one JSON object a line on standard error. Any thread. Never a
 * secret, never a payload. The access log is something else: dataplane/telemetry. */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include "base/err.h"

enum weir_log_level { WEIR_LOG_DEBUG, WEIR_LOG_INFO, WEIR_LOG_WARN, WEIR_LOG_ERROR };

/* Set once at start; the default is info. WEIR_EINVAL: not one of debug, info, warn, error. */
WEIR_NODISCARD int weir_log_set_level(const char *name);

void weir_log_write(enum weir_log_level level, const char *component, const char *fmt, ...)
    WEIR_PRINTF(3, 4);
int weir_log_enabled(enum weir_log_level level);

#define WEIR_LOG(level, component, ...)                                                            \
    (weir_log_enabled(level) ? weir_log_write((level), (component), __VA_ARGS__) : (void)0)

#endif
