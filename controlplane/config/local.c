/* local.c - see local.h. */
#include "controlplane/config/local.h"

#include <stdlib.h>

#include "data/schema.h"

static bool is_set(const char *name)
{
    const char *v = getenv(name);

    return v && v[0];
}

static const char *text_of(const char *name)
{
    return is_set(name) ? getenv(name) : NULL;
}

struct weir_local_env weir_local_env_read(void)
{
    return (struct weir_local_env){
        .openai_key = is_set("OPENAI_API_KEY"),
        .anthropic_key = is_set("ANTHROPIC_API_KEY"),
        .openai_base_url = text_of("OPENAI_BASE_URL"),
        .anthropic_base_url = text_of("ANTHROPIC_BASE_URL"),
    };
}

static void begin(struct weir_buf *out, const char *kind, const char *name)
{
    weir_buf_addf(out, "---\napiVersion: %s\nkind: %s\nmetadata: {name: %s}\nspec:\n",
                  WEIR_API_VERSION, kind, name);
}

/* The dialect's own path is ours to add: OpenAI's variable carries "/v1", its endpoint does not. */
static struct weir_str base_of(const char *url)
{
    struct weir_str s = weir_str_of(url);

    while (s.n > 0 && s.p[s.n - 1] == '/')
        s.n--;
    if (weir_str_ends(s, WEIR_STR("/v1")))
        s.n -= 3;
    while (s.n > 0 && s.p[s.n - 1] == '/')
        s.n--;
    return s;
}

static void provider(struct weir_buf *out, const char *name, const char *url, const char *key)
{
    begin(out, "Provider", name);
    weir_buf_addf(out, "  dialect: %s\n", name);
    if (url) {
        weir_buf_addz(out, "  endpoint: ");
        weir_buf_add_json(out, base_of(url));
        weir_buf_addz(out, "\n");
    }
    if (key)
        weir_buf_addf(out, "  credential: {env: %s}\n", key);
}

static void route(struct weir_buf *out, const char *name, const char *models, int priority,
                  const char *target)
{
    begin(out, "Route", name);
    if (models)
        weir_buf_addf(out, "  models: [%s]\n", models);
    weir_buf_addf(out, "  priority: %d\n  groups: [{targets: [{provider: %s}]}]\n", priority,
                  target);
}

void weir_local_manifest(const struct weir_local_env *env, bool has_agent, bool has_route,
                         struct weir_buf *out)
{
    bool openai = env->openai_key || env->openai_base_url;
    bool anthropic = env->anthropic_key || env->anthropic_base_url;
    bool echo = !openai && !anthropic;

    if (openai)
        provider(out, "openai", env->openai_base_url, env->openai_key ? "OPENAI_API_KEY" : NULL);
    if (anthropic)
        provider(out, "anthropic", env->anthropic_base_url,
                 env->anthropic_key ? "ANTHROPIC_API_KEY" : NULL);
    if (echo)
        provider(out, "echo", NULL, NULL);
    if (!has_route) {
        if (openai && anthropic)
            route(out, "local-anthropic", "\"claude*\"", 0, "anthropic");
        route(out, "local", NULL, -1000, openai ? "openai" : anthropic ? "anthropic" : "echo");
    }
    if (!has_agent) {
        begin(out, "Agent", "local");
        weir_buf_addz(out, "  project: local\n");
    }
}
