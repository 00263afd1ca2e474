/* local.h - the objects that let Weir answer when no policy names a Provider: made from the
 * environment's well-known variables, as references, never as values. Pure. */
#ifndef WEIR_CONFIG_LOCAL_H
#define WEIR_CONFIG_LOCAL_H

#include "base/buf.h"

/* What the environment has. */
struct weir_local_env {
    bool openai_key, anthropic_key; /* OPENAI_API_KEY, ANTHROPIC_API_KEY are set and not empty */
    const char *openai_base_url;    /* OPENAI_BASE_URL; NULL: not set */
    const char *anthropic_base_url; /* ANTHROPIC_BASE_URL; NULL: not set */
};

/* Reads the process's environment; strings are borrowed from it. */
struct weir_local_env weir_local_env_read(void);

/* A manifest: Providers "openai" and "anthropic" for the keys that are there, else "echo"; a Route
 * for each, one catching everything; and, unless has_agent, the Agent "local". */
void weir_local_manifest(const struct weir_local_env *env, bool has_agent, bool has_route,
                         struct weir_buf *out);

#endif
