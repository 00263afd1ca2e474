/* body.c - see body.h. */
#include "body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char words[] =
    "Read the file first, then say what it does\\n\\t\\\"in a few words\\\". ";

/* At least `bytes` of JSON string, cut at the end of a sentence. */
static void add_text(FILE *f, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += sizeof words - 1)
        (void)fputs(words, f);
}

static void add_tool(FILE *f, unsigned i, size_t bytes)
{
    (void)fprintf(f,
                  "%s{\"type\":\"function\",\"function\":{\"name\":\"tool_%u\",\"description\":\"",
                  i ? "," : "", i);
    add_text(f, bytes > 420 ? bytes - 420 : 1);
    (void)fputs(
        "\",\"strict\":false,\"parameters\":{\"type\":\"object\",\"properties\":{\"path\":{"
        "\"type\":\"string\",\"description\":\"Where it is\"},\"limit\":{\"type\":\"integer\","
        "\"minimum\":1,\"maximum\":2000},\"mode\":{\"type\":\"string\",\"enum\":[\"read\","
        "\"write\",\"append\"]},\"lines\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
        "\"properties\":{\"from\":{\"type\":\"number\"},\"to\":{\"type\":\"number\"}}}}},"
        "\"required\":[\"path\"],\"additionalProperties\":false}}}",
        f);
}

char *body_make(const struct body_spec *spec, size_t *n)
{
    size_t text = spec->tools ? spec->bytes / 3 : spec->bytes - (spec->bytes > 300 ? 300 : 0);
    size_t tool = spec->tools ? (spec->bytes - text) / spec->tools : 0;
    char *p = NULL;
    FILE *f = open_memstream(&p, n);

    if (!f)
        return NULL;
    (void)fprintf(f, "{\"model\":\"%s\",\"max_tokens\":1024,\"temperature\":0.5%s,\"messages\":[",
                  spec->model, spec->stream ? ",\"stream\":true" : "");
    (void)fputs("{\"role\":\"system\",\"content\":\"", f);
    add_text(f, text / 2);
    (void)fputs("\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"", f);
    add_text(f, text / 2);
    (void)fputs("\"}]}]", f);
    if (spec->tools)
        (void)fputs(",\"tools\":[", f);
    for (unsigned i = 0; i < spec->tools; i++)
        add_tool(f, i, tool);
    (void)fputs(spec->tools ? "]}" : "}", f);
    if (fclose(f)) {
        free(p);
        return NULL;
    }
    return p;
}
