/* models.c - which vocabulary a model uses, by its name. */
#include "tokenizer/tokenizer.h"

static const struct {
    struct weir_str prefix;
    enum weir_vocabulary_kind kind;
} families[] = {
    /* The first that fits. */
    {WEIR_STR_INIT("gpt-4o"), WEIR_VOCABULARY_O200K},
    {WEIR_STR_INIT("gpt-4.1"), WEIR_VOCABULARY_O200K},
    {WEIR_STR_INIT("gpt-4.5"), WEIR_VOCABULARY_O200K},
    {WEIR_STR_INIT("gpt-5"), WEIR_VOCABULARY_O200K},
    {WEIR_STR_INIT("chatgpt-4o"), WEIR_VOCABULARY_O200K},
    {WEIR_STR_INIT("codex-mini"), WEIR_VOCABULARY_O200K},
    {WEIR_STR_INIT("computer-use-preview"), WEIR_VOCABULARY_O200K},
    {WEIR_STR_INIT("o1"), WEIR_VOCABULARY_O200K},
    {WEIR_STR_INIT("o3"), WEIR_VOCABULARY_O200K},
    {WEIR_STR_INIT("o4-mini"), WEIR_VOCABULARY_O200K},
    {WEIR_STR_INIT("gpt-4"), WEIR_VOCABULARY_CL100K},
    {WEIR_STR_INIT("gpt-3.5"), WEIR_VOCABULARY_CL100K},
    {WEIR_STR_INIT("gpt-35"), WEIR_VOCABULARY_CL100K}, /* Azure's spelling */
    {WEIR_STR_INIT("text-embedding-3"), WEIR_VOCABULARY_CL100K},
    {WEIR_STR_INIT("text-embedding-ada-002"), WEIR_VOCABULARY_CL100K},
};

/* "gpt-4" is not a beginning of "gpt-45": a name goes on with one of these, or ends. */
static bool ends_there(struct weir_str model, size_t n)
{
    return model.n == n || model.p[n] == '-' || model.p[n] == '.' || model.p[n] == ':' ||
           model.p[n] == '@';
}

enum weir_vocabulary_kind weir_vocabulary_of_model(struct weir_str model)
{
    /* Routers put a vendor before the name, fine-tuning "ft:". */
    for (size_t i = model.n; i > 0; i--)
        if (model.p[i - 1] == '/') {
            model = (struct weir_str){model.p + i, model.n - i};
            break;
        }
    if (weir_str_starts(model, WEIR_STR("ft:")))
        model = (struct weir_str){model.p + 3, model.n - 3};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (weir_str_starts(model, families[i].prefix) && ends_there(model, families[i].prefix.n))
            return families[i].kind;
    return WEIR_VOCABULARY_UNKNOWN;
}

const char *weir_vocabulary_name(enum weir_vocabulary_kind kind)
{
    static const char *const names[] = {"unknown", "cl100k_base", "o200k_base"};

    return names[kind];
}
