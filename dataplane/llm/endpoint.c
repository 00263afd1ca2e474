/* endpoint.c - see endpoint.h. */
#include "dataplane/llm/endpoint.h"

#include "common/http/percent.h"
#include "dataplane/llm/llm_internal.h"

enum { MAX_ID = 256, MAX_PASSED = 2048 };

/* '*' stands for the model: one or more characters. The first row of a dialect and an operation is
 * the one that providers get; clients may leave the version out. */
struct row {
    struct weir_str path;
    enum weir_http_method method;
    enum weir_operation operation;
    enum weir_dialect dialect;
    bool stream; /* the path asks for one */
};

#define ROW(path, ...)                                                                             \
    {                                                                                              \
        {path, sizeof(path) - 1}, __VA_ARGS__                                                      \
    }

#define GEMINI(base)                                                                               \
    ROW(base "/models/*:generateContent", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_GEMINI,   \
        false),                                                                                    \
        ROW(base "/models/*:streamGenerateContent", WEIR_HTTP_POST, WEIR_OP_GENERATE,              \
            WEIR_DIALECT_GEMINI, true),                                                            \
        ROW(base "/models/*:countTokens", WEIR_HTTP_POST, WEIR_OP_COUNT_TOKENS,                    \
            WEIR_DIALECT_GEMINI, false),                                                           \
        ROW(base "/models/*:embedContent", WEIR_HTTP_POST, WEIR_OP_GENERATE,                       \
            WEIR_DIALECT_GEMINI_EMBED, false),                                                     \
        ROW(base "/models/*:batchEmbedContents", WEIR_HTTP_POST, WEIR_OP_GENERATE,                 \
            WEIR_DIALECT_GEMINI_EMBED_BATCH, false)

#define PASSED(path) ROW(path, WEIR_HTTP_POST, WEIR_OP_PASS, WEIR_DIALECT_OPENAI_OTHER, false)

static const struct row rows[] = {
    ROW("/v1/chat/completions", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_OPENAI_CHAT, false),
    ROW("/chat/completions", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_OPENAI_CHAT, false),
    ROW("/v1/completions", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_OPENAI_COMPLETIONS,
        false),
    ROW("/completions", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_OPENAI_COMPLETIONS, false),
    ROW("/v1/embeddings", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_OPENAI_EMBEDDINGS, false),
    ROW("/embeddings", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_OPENAI_EMBEDDINGS, false),
    ROW("/v1/messages", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_ANTHROPIC_MESSAGES, false),
    ROW("/v1/messages/count_tokens", WEIR_HTTP_POST, WEIR_OP_COUNT_TOKENS,
        WEIR_DIALECT_ANTHROPIC_MESSAGES, false),
    ROW("/v1/responses", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_OPENAI_RESPONSES, false),
    ROW("/responses", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_OPENAI_RESPONSES, false),
    ROW("/v1/responses/input_tokens", WEIR_HTTP_POST, WEIR_OP_COUNT_TOKENS,
        WEIR_DIALECT_OPENAI_RESPONSES, false),
    ROW("/v2/chat", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_COHERE, false),
    ROW("/v2/embed", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_COHERE_EMBED, false),
    ROW("/model/*/invoke", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_BEDROCK_COHERE_EMBED,
        false),
    ROW("/model/*/invoke", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_TITAN_EMBED, false),
    PASSED("/v1/images/generations"),
    PASSED("/v1/images/edits"),
    PASSED("/v1/images/variations"),
    PASSED("/v1/audio/speech"),
    PASSED("/v1/audio/transcriptions"),
    PASSED("/v1/audio/translations"),
    PASSED("/v1/moderations"),
    PASSED("/v1/rerank"), /* Cohere's shape, which servers of open models have, too */
    PASSED("/v2/rerank"),
    /* Here '*' is the id of an answer. */
    ROW("/v1/responses/*/cancel", WEIR_HTTP_POST, WEIR_OP_STORED, WEIR_DIALECT_OPENAI_RESPONSES,
        false),
    ROW("/v1/responses/*/input_items", WEIR_HTTP_GET, WEIR_OP_STORED, WEIR_DIALECT_OPENAI_RESPONSES,
        false),
    ROW("/v1/responses/*", WEIR_HTTP_GET, WEIR_OP_STORED, WEIR_DIALECT_OPENAI_RESPONSES, false),
    ROW("/v1/responses/*", WEIR_HTTP_DELETE, WEIR_OP_STORED, WEIR_DIALECT_OPENAI_RESPONSES, false),
    GEMINI("/v1beta"),
    GEMINI("/v1"),
    GEMINI("/v1beta1/publishers/google"), /* Vertex AI by API key */
    GEMINI("/v1/publishers/google"),
    ROW("/v1beta/models", WEIR_HTTP_GET, WEIR_OP_MODELS, WEIR_DIALECT_GEMINI, false),
    ROW("/v1beta/models/*", WEIR_HTTP_GET, WEIR_OP_MODELS, WEIR_DIALECT_GEMINI, false),
    ROW("/model/*/converse", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_BEDROCK, false),
    ROW("/model/*/converse-stream", WEIR_HTTP_POST, WEIR_OP_GENERATE, WEIR_DIALECT_BEDROCK, true),
    ROW("/model/*/count-tokens", WEIR_HTTP_POST, WEIR_OP_COUNT_TOKENS, WEIR_DIALECT_BEDROCK, false),
    ROW("/foundation-models", WEIR_HTTP_GET, WEIR_OP_MODELS, WEIR_DIALECT_BEDROCK, false),
    ROW("/foundation-models/*", WEIR_HTTP_GET, WEIR_OP_MODELS, WEIR_DIALECT_BEDROCK, false),
    /* Of several dialects: the request's headers tell whose list is meant. */
    ROW("/v1/models", WEIR_HTTP_GET, WEIR_OP_MODELS, WEIR_DIALECT_NONE, false),
    ROW("/models", WEIR_HTTP_GET, WEIR_OP_MODELS, WEIR_DIALECT_NONE, false),
    ROW("/v1/models/*", WEIR_HTTP_GET, WEIR_OP_MODELS, WEIR_DIALECT_NONE, false),
};

static const struct {
    struct weir_str prefix;
    enum weir_dialect dialect;
} prefixes[] = {
    {{"/openai", 7}, WEIR_DIALECT_OPENAI_CHAT},
    {{"/anthropic", 10}, WEIR_DIALECT_ANTHROPIC_MESSAGES},
    {{"/gemini", 7}, WEIR_DIALECT_GEMINI},
    {{"/bedrock", 8}, WEIR_DIALECT_BEDROCK},
};

static struct weir_str from(struct weir_str s, size_t n)
{
    return (struct weir_str){s.p + n, s.n - n};
}

static struct weir_str strip_prefix(struct weir_str path, enum weir_dialect *dialect)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        struct weir_str p = prefixes[i].prefix;

        if (weir_str_starts(path, p) && path.n > p.n && path.p[p.n] == '/') {
            *dialect = prefixes[i].dialect;
            return from(path, p.n);
        }
    }
    return path;
}

/* Splits a pattern around its '*'. False: it has none. */
static bool split(struct weir_str pattern, struct weir_str *before, struct weir_str *after)
{
    *before = weir_str_cut(pattern, '*', after);
    return after->p;
}

static bool fits(struct weir_str pattern, struct weir_str path, struct weir_str *model)
{
    struct weir_str before, after;

    if (!split(pattern, &before, &after))
        return weir_str_eq(pattern, path);
    if (path.n <= before.n + after.n || !weir_str_starts(path, before) ||
        !weir_str_ends(path, after))
        return false;
    *model = (struct weir_str){path.p + before.n, path.n - before.n - after.n};
    return true;
}

static bool is_of_clients(const struct row *r)
{
    return !r->dialect || !weir_llm_ops(r->dialect)->provider_only;
}

enum weir_dialect weir_llm_endpoint_dialect(struct weir_str path)
{
    enum weir_dialect of_prefix = WEIR_DIALECT_OPENAI_CHAT;
    struct weir_str before, after;

    path = strip_prefix(path, &of_prefix);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        split(rows[i].path, &before, &after);
        /* "/v1/models/" is what several have: only all of the path tells them apart. */
        if (rows[i].dialect && is_of_clients(&rows[i]) && weir_str_starts(path, before) &&
            (!after.n || weir_str_ends(path, after)))
            return rows[i].dialect;
    }
    return of_prefix;
}

/* It goes on in a path as it is. */
static bool is_id(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              c == '_' || c == '-'))
            return false;
    }
    return s.n <= MAX_ID;
}

/* A segment that means something to a server but not to us might lead below another path. */
static bool is_plain(struct weir_str path)
{
    static const char marks[] = "-._~:@!$&'()*+,;=";
    struct weir_str rest = path, segment;

    if (path.n < 2 || path.n > MAX_PASSED || path.p[0] != '/')
        return false;
    rest = from(path, 1);
    while (rest.p) {
        segment = weir_str_cut(rest, '/', &rest);
        if (segment.n == 0 || weir_str_is(segment, ".") || weir_str_is(segment, ".."))
            return false;
        for (size_t i = 0; i < segment.n; i++) {
            char c = segment.p[i];

            if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  memchr(marks, c, sizeof marks - 1)))
                return false;
        }
    }
    return true;
}

bool weir_llm_endpoint_pass(struct weir_str path, struct weir_llm_endpoint *out)
{
    enum weir_dialect ignored;

    path = strip_prefix(path, &ignored);
    if (!is_plain(path))
        return false;
    *out = (struct weir_llm_endpoint){
        .dialect = WEIR_DIALECT_OPENAI_OTHER, .operation = WEIR_OP_PASS, .stored = path};
    return true;
}

bool weir_llm_endpoint_is_below(struct weir_str path, struct weir_str base)
{
    return weir_str_starts(path, base) && (path.n == base.n || path.p[base.n] == '/');
}

bool weir_llm_endpoint_is_passed(const struct weir_llm_endpoint *e)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].operation == WEIR_OP_PASS && weir_str_eq(rows[i].path, e->stored))
            return true;
    return false;
}

struct weir_str weir_llm_endpoint_passed_at(const struct weir_llm_endpoint *e, enum weir_dialect d)
{
    static const struct weir_str own = WEIR_STR_INIT("/v2/rerank");

    if (!weir_llm_endpoint_is_passed(e))
        return WEIR_STR_NULL;
    if (d == WEIR_DIALECT_OPENAI_CHAT)
        return e->stored;
    /* Cohere's own; its older path takes the same. */
    return d == WEIR_DIALECT_COHERE && weir_str_ends(e->stored, WEIR_STR("/rerank"))
               ? own
               : WEIR_STR_NULL;
}

const char *weir_llm_endpoint_passed_name(struct weir_str path)
{
    static const struct {
        struct weir_str base;
        const char *name;
    } names[] = {
        {WEIR_STR_INIT("/v1/images"), "images"},  {WEIR_STR_INIT("/v1/audio"), "audio"},
        {WEIR_STR_INIT("/v1/rerank"), "rerank"},  {WEIR_STR_INIT("/v1/moderations"), "moderations"},
        {WEIR_STR_INIT("/v2/rerank"), "rerank"},  {WEIR_STR_INIT("/v1/files"), "files"},
        {WEIR_STR_INIT("/v1/batches"), "batches"}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (weir_llm_endpoint_is_below(path, names[i].base))
            return names[i].name;
    return "pass_through";
}

int weir_llm_endpoint_find(enum weir_http_method method, struct weir_str path, struct weir_arena *a,
                           struct weir_llm_endpoint *out)
{
    enum weir_dialect ignored;
    int rc = WEIR_ENOTFOUND;

    *out = (struct weir_llm_endpoint){.dialect = weir_llm_endpoint_dialect(path)};
    if (!path.p)
        return rc;
    path = strip_prefix(path, &ignored);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct weir_str model = WEIR_STR_NULL;

        if (!is_of_clients(r) || !fits(r->path, path, &model) ||
            (r->operation == WEIR_OP_STORED
                 ? !is_id(model)
                 : model.p && weir_percent_decode(a, model, false, &model)))
            continue;
        if (r->method != method) {
            rc = WEIR_EINVAL;
            continue;
        }
        out->operation = r->operation;
        if (r->dialect)
            out->dialect = r->dialect;
        out->stream = r->stream;
        if (r->operation == WEIR_OP_STORED || r->operation == WEIR_OP_PASS)
            out->stored = path;
        else
            out->model = model;
        return WEIR_OK;
    }
    return rc;
}

static const struct row *row_of(const struct weir_llm_endpoint *e)
{
    if (e->operation == WEIR_OP_MODELS) /* no provider is asked */
        return NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].dialect == e->dialect && rows[i].operation == e->operation &&
            rows[i].stream == (e->stream && weir_llm_ops(e->dialect)->stream_in_path))
            return &rows[i];
    return NULL;
}

/* "/v1" of "/v1/messages". */
static struct weir_str version_of(struct weir_str path)
{
    struct weir_str rest, version = weir_str_cut(from(path, 1), '/', &rest);

    return (struct weir_str){path.p, version.n + 1};
}

/* A base that ends in a version of its own ("/v1beta1", "/paas/v4"), or in Vertex AI's path to a
 * publisher's models, which begins with one. */
static bool has_version(struct weir_str base)
{
    size_t at = base.n;

    if (weir_str_ends(base, WEIR_STR("/publishers/google")))
        return true;
    while (at > 0 && base.p[at - 1] != '/')
        at--;
    return base.n - at >= 2 && at > 0 && base.p[at] == 'v' && base.p[at + 1] >= '0' &&
           base.p[at + 1] <= '9';
}

struct weir_str weir_llm_endpoint_path(const struct weir_llm_endpoint *to,
                                       struct weir_str base_path, struct weir_arena *a)
{
    const struct row *r = row_of(to);
    struct weir_str path, before, after = WEIR_STR(""), model = WEIR_STR_NULL;

    if (!r && !to->stored.p)
        return WEIR_STR_NULL;
    path = to->stored.p ? to->stored : r->path;
    if ((to->deployment || has_version(base_path)) && has_version(version_of(path)))
        path = from(path, version_of(path).n);
    if (to->deployment && to->model.n)
        base_path = weir_arena_join(
            a, (struct weir_str[]){base_path, WEIR_STR("/"), weir_percent_encode(a, to->model)}, 3);
    if (to->stored.p)
        before = path;
    else if (split(path, &before, &after))
        model = weir_percent_encode(a, to->model);
    return weir_arena_join(a, (struct weir_str[]){base_path, before, model, after}, 4);
}

struct weir_str weir_llm_endpoint_param(struct weir_str query, const char *name)
{
    struct weir_str value;

    while (query.n)
        if (weir_str_is(weir_str_cut(weir_str_cut(query, '&', &query), '=', &value), name))
            return value;
    return WEIR_STR_NULL;
}

int weir_llm_endpoint_read_query(const struct weir_llm_endpoint *from, struct weir_str query,
                                 struct weir_arena *a, struct weir_str *key, bool *array)
{
    struct weir_str coded, form;

    *key = WEIR_STR_NULL;
    *array = false;
    if (weir_dialect_family(from->dialect) != WEIR_DIALECT_GEMINI)
        return WEIR_OK;
    coded = weir_llm_endpoint_param(query, "key");
    if (coded.n && weir_percent_decode(a, coded, true, key))
        *key = WEIR_STR_NULL;
    form = weir_llm_endpoint_param(query, "alt");
    if (!from->stream || weir_str_is(form, "sse"))
        return WEIR_OK;
    *array = !form.p || weir_str_is(form, "json");
    return *array ? WEIR_OK : WEIR_EUNSUPPORTED;
}

struct weir_str weir_llm_endpoint_query(const struct weir_llm_endpoint *to, struct weir_str client,
                                        struct weir_arena *a)
{
    const char *own = to->stream ? weir_llm_ops(to->dialect)->stream_query : NULL;
    char *out = weir_arena_alloc(a, client.n + 1), *p = out;

    if (weir_dialect_family(to->dialect) != WEIR_DIALECT_GEMINI)
        return client;
    while (client.n) {
        struct weir_str value, one = weir_str_cut(client, '&', &client);
        struct weir_str name = weir_str_cut(one, '=', &value);

        if (one.n == 0 || weir_str_is(name, "key") || (own && weir_str_is(name, "alt")))
            continue;
        if (p > out)
            *p++ = '&';
        memcpy(p, one.p, one.n);
        p += one.n;
    }
    return weir_str_of(weir_arena_printf(a, "%.*s%s%s", (int)(p - out), out,
                                         p > out && own ? "&" : "", own ? own : ""));
}
