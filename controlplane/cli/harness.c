/* harness.c - the one line for each known harness and SDK, for this gateway, key and model. */
#include "controlplane/cli/up.h"

#include "base/file.h"

struct harness {
    const char *name;
    const char *line; /* {G} gateway, {K} key, {M} model; NULL: not served yet */
    const char *note;
};

static const struct harness harnesses[] = {
    {"Claude Code",
     "ANTHROPIC_BASE_URL={G} ANTHROPIC_AUTH_TOKEN={K} CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 "
     "claude",
     NULL},
    {"Codex", "CODEX_API_KEY={K} codex -c openai_base_url={G}/v1 -m {M}", NULL},
    {"OpenCode",
     "OPENCODE_CONFIG_CONTENT='{\"provider\":{\"weir\":{\"npm\":\"@ai-sdk/openai-compatible\","
     "\"options\":{\"baseURL\":\"{G}/v1\",\"apiKey\":\"{K}\"},\"models\":{\"{M}\":{}}}}}' "
     "opencode -m weir/{M}",
     NULL},
    {"Qwen Code",
     "OPENAI_BASE_URL={G}/v1 OPENAI_API_KEY={K} OPENAI_MODEL={M} qwen --auth-type openai", NULL},
    {"Copilot CLI",
     "COPILOT_PROVIDER_BASE_URL={G}/v1 COPILOT_PROVIDER_TYPE=openai COPILOT_PROVIDER_API_KEY={K} "
     "COPILOT_MODEL={M} COPILOT_OFFLINE=true copilot",
     NULL},
    {"Gemini CLI", "GOOGLE_GEMINI_BASE_URL={G} GEMINI_API_KEY={K} gemini -m {M}",
     "with {\"security\":{\"auth\":{\"selectedType\":\"gemini-api-key\"}}} in "
     "~/.gemini/settings.json"},
    {"Cline", "cline auth -p openai-compatible -k {K} -m {M} -b {G}/v1", NULL},
    {"Pi",
     "{\"providers\":{\"weir\":{\"baseUrl\":\"{G}/v1\",\"api\":\"openai-completions\",\"apiKey\":"
     "\"{K}\",\"models\":[{\"id\":\"{M}\"}]}}}",
     "in ~/.pi/agent/models.json, then: pi --provider weir"},
    {"OpenAI SDKs", "export OPENAI_BASE_URL={G}/v1 OPENAI_API_KEY={K}", NULL},
    {"Anthropic SDKs", "export ANTHROPIC_BASE_URL={G} ANTHROPIC_API_KEY={K}", NULL},
    {"Google GenAI SDKs", "export GOOGLE_GEMINI_BASE_URL={G} GEMINI_API_KEY={K}", NULL},
    {"AWS SDK for Bedrock Runtime",
     "export AWS_ENDPOINT_URL_BEDROCK_RUNTIME={G} AWS_BEARER_TOKEN_BEDROCK={K} "
     "AWS_REGION=us-east-1",
     "signed requests have the key as their access key id"},
    {"curl",
     "curl {G}/v1/chat/completions -H 'authorization: Bearer {K}' -H 'content-type: "
     "application/json' -d "
     "'{\"model\":\"{M}\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'",
     NULL},
};

static void expand(struct weir_buf *out, const char *line, const struct weir_up_facts *f)
{
    for (const char *p = line; *p; p++) {
        const char *value = strncmp(p, "{G}", 3) == 0   ? f->gateway
                            : strncmp(p, "{K}", 3) == 0 ? f->key
                            : strncmp(p, "{M}", 3) == 0 ? f->model
                                                        : NULL;

        if (value) {
            weir_buf_addz(out, value);
            p += 2;
        } else {
            weir_buf_add(out, p, 1);
        }
    }
}

void weir__up_harness_lines(const struct weir_up_facts *f, struct weir_buf *out)
{
    for (size_t i = 0; i < sizeof harnesses / sizeof *harnesses; i++) {
        const struct harness *h = &harnesses[i];

        weir_buf_addf(out, "  %s%s%s%s\n", h->name, h->note ? " (" : "", h->note ? h->note : "",
                      h->note ? ")" : "");
        if (h->line) {
            weir_buf_addz(out, "    ");
            expand(out, h->line, f);
            weir_buf_addz(out, "\n");
        }
    }
}

int weir__up_write_ready(const struct weir_up_facts *f, const char *path)
{
    struct weir_buf b;
    int rc;

    weir_buf_init(&b, 65536);
    weir_buf_addf(&b, "gateway=%s\nmodel=%s\n", f->gateway, f->model);
    rc = weir_file_replace(path, weir_buf_str(&b), 0644, false);
    weir_buf_fini(&b);
    return rc;
}
