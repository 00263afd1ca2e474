/* servers.c - see servers.h: the table. */
#include "dataplane/llm/servers.h"

#include <string.h>

/* What follows is from the vendors' own packages on npm (groq-sdk, @mistralai/mistralai,
 * together-ai,
 * @openrouter/sdk, and the @ai-sdk/ packages of xAI, DeepSeek and Fireworks), and from what the
 * servers say when they refuse. */
static const struct weir_server servers[] = {
    {.name = "vllm", .newer_limit = true, .stream_options = true},
    {.name = "sglang", .stream_options = true},
    {.name = "llamacpp", .stream_options = true},
    {.name = "ollama", .hosts = {"ollama.com"}, .stream_options = true},
    {.name = "litellm", .newer_limit = true, .stream_options = true, .developer = true},
    {.name = "openrouter",
     .hosts = {"openrouter.ai"},
     .newer_limit = true,
     .stream_options = true,
     .developer = true},
    {.name = "groq",
     .hosts = {"api.groq.com"},
     .newer_limit = true,
     .developer = true,
     .fields = {"messages",
                "model",
                "citation_options",
                "compound_custom",
                "disable_tool_validation",
                "documents",
                "frequency_penalty",
                "function_call",
                "functions",
                "include_reasoning",
                "max_completion_tokens",
                "max_tokens",
                "parallel_tool_calls",
                "presence_penalty",
                "reasoning_effort",
                "reasoning_format",
                "response_format",
                "search_settings",
                "seed",
                "service_tier",
                "stop",
                "stream",
                "temperature",
                "tool_choice",
                "tools",
                "top_p",
                "user"},
     .message_fields = {"role", "content", "name", "reasoning", "tool_calls", "tool_call_id",
                        "function_call"},
     .efforts = {"none", "low", "default", "medium", "high"}},
    {.name = "mistral",
     .hosts = {"api.mistral.ai", "codestral.mistral.ai"},
     .id_length = 9,
     .fields = {"model",
                "messages",
                "temperature",
                "top_p",
                "max_tokens",
                "stream",
                "stop",
                "random_seed",
                "metadata",
                "response_format",
                "tools",
                "tool_choice",
                "presence_penalty",
                "frequency_penalty",
                "n",
                "prediction",
                "parallel_tool_calls",
                "reasoning_effort",
                "prompt_mode",
                "guardrails",
                "prompt_cache_key",
                "service_tier",
                "safe_prompt"},
     .message_fields = {"role", "content", "tool_calls", "prefix", "name", "tool_call_id"},
     .renames = {{"max_completion_tokens", "max_tokens"}, {"seed", "random_seed"}}},
    {.name = "deepseek", .hosts = {"api.deepseek.com"}, .stream_options = true, .no_schema = true},
    {.name = "xai",
     .hosts = {"api.x.ai"},
     .newer_limit = true,
     .stream_options = true,
     .developer = true,
     .refused = {"presence_penalty", "frequency_penalty", "logit_bias"}},
    {.name = "together",
     .hosts = {"api.together.xyz", "api.together.ai"},
     .renames = {{"max_completion_tokens", "max_tokens"}},
     .refused = {"stream_options"},
     .efforts = {"low", "medium", "high"}},
    {.name = "fireworks",
     .hosts = {"api.fireworks.ai"},
     .stream_options = true,
     .efforts = {"none", "low", "medium", "high"}},
};

const struct weir_server *weir_server_at(size_t i)
{
    return i < sizeof servers / sizeof *servers ? &servers[i] : NULL;
}

const struct weir_server *weir_server_named(struct weir_str name)
{
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
        if (weir_str_is(name, servers[i].name))
            return &servers[i];
    return NULL;
}

/* The host itself, or one below it. */
const struct weir_server *weir_server_of_host(struct weir_str host)
{
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
        for (size_t k = 0; k < WEIR_SERVER_HOSTS && servers[i].hosts[k]; k++) {
            struct weir_str known = weir_str_of(servers[i].hosts[k]);

            if (weir_str_ieq(host, known) ||
                (host.n > known.n && host.p[host.n - known.n - 1] == '.' &&
                 weir_str_ieq((struct weir_str){host.p + host.n - known.n, known.n}, known)))
                return &servers[i];
        }
    return NULL;
}

bool weir_server_has_rules(const struct weir_server *s, struct weir_str body)
{
    if (!s)
        return false;
    return s->fields[0] || s->refused[0] || s->renames[0].from || s->efforts[0] || s->id_length ||
           s->no_schema || (!s->developer && body.n && memmem(body.p, body.n, "\"developer\"", 11));
}
