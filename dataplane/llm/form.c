/* form.c - see form.h. */
#include "dataplane/llm/form.h"

#include <string.h>

enum { MAX_BOUNDARY = 70, MAX_HEAD = 8192, MAX_PARTS = 1000 };

struct reader {
    struct weir_str rest;
    char mark[MAX_BOUNDARY + 4]; /* line end, two hyphens, boundary */
    size_t mark_n;
    const char *why;
};

static struct weir_str from(struct weir_str s, size_t n)
{
    return (struct weir_str){s.p + n, s.n - n};
}

static bool wrong(struct reader *r, const char *why)
{
    r->why = why;
    return false;
}

/* The value of a parameter behind a header's value; quoted or not. *twice: it occurs again. */
static struct weir_str param(struct weir_str params, struct weir_str name, bool *twice)
{
    struct weir_str found = WEIR_STR_NULL;

    *twice = false;
    while (params.n) {
        struct weir_str key, value;
        size_t end = 0;

        params = weir_str_trim(params);
        while (end < params.n && params.p[end] != '=' && params.p[end] != ';')
            end++;
        key = weir_str_trim((struct weir_str){params.p, end});
        params = from(params, end);
        value = WEIR_STR("");
        if (params.n && params.p[0] == '=') {
            bool quoted = params.n > 1 && params.p[1] == '"';

            params = from(params, quoted ? 2 : 1);
            for (end = 0; end < params.n && params.p[end] != (quoted ? '"' : ';');)
                end++;
            value = (struct weir_str){params.p, end};
            params = from(params, quoted && end < params.n ? end + 1 : end);
            if (!quoted)
                value = weir_str_trim(value);
        }
        if (weir_str_ieq(key, name)) {
            *twice = *twice || found.p;
            found = value;
        }
        weir_str_cut(params, ';', &params);
    }
    return found;
}

static bool read_boundary(struct reader *r, struct weir_str content_type)
{
    struct weir_str params, boundary;
    bool twice;

    weir_str_cut(content_type, ';', &params);
    boundary = param(params, WEIR_STR("boundary"), &twice);
    if (boundary.n == 0 || boundary.n > MAX_BOUNDARY || twice)
        return wrong(r, "The form's content type has no boundary of 1 to 70 bytes.");
    memcpy(r->mark, "\r\n--", 4);
    memcpy(r->mark + 4, boundary.p, boundary.n);
    r->mark_n = boundary.n + 4;
    return true;
}

/* Cuts what stands before the next boundary. */
static bool next_part(struct reader *r, struct weir_str *part)
{
    const char *p = memmem(r->rest.p, r->rest.n, r->mark, r->mark_n);

    if (!p)
        return wrong(r, "The form has no end.");
    *part = (struct weir_str){r->rest.p, (size_t)(p - r->rest.p)};
    r->rest = from(r->rest, part->n + r->mark_n);
    return true;
}

/* Behind a boundary: does another part follow? */
static bool goes_on(struct reader *r, bool *more)
{
    *more = false;
    if (weir_str_starts(r->rest, WEIR_STR("--")))
        return true;
    while (r->rest.n && (r->rest.p[0] == ' ' || r->rest.p[0] == '\t'))
        r->rest = from(r->rest, 1);
    if (!weir_str_starts(r->rest, WEIR_STR("\r\n")))
        return wrong(r, "The form's boundary occurs within a line.");
    r->rest = from(r->rest, 2);
    *more = true;
    return true;
}

/* A name that only some readers would decode. */
static bool is_coded(struct weir_str params)
{
    return memmem(params.p, params.n, "*=", 2) || memchr(params.p, '\\', params.n) ||
           memchr(params.p, '%', params.n);
}

/* Reads a part's head. *name: its field's, absent for a file. */
static bool read_head(struct reader *r, struct weir_str head, struct weir_str *name)
{
    bool again, twice = false;

    *name = WEIR_STR_NULL;
    for (again = false; head.n;) {
        struct weir_str value, params, line = head;
        const char *end = memmem(head.p, head.n, "\r\n", 2);

        line.n = end ? (size_t)(end - head.p) : head.n;
        head = end ? from(head, line.n + 2) : WEIR_STR("");
        if (line.n && (line.p[0] == ' ' || line.p[0] == '\t'))
            return wrong(r, "The form has a folded header.");
        if (!weir_str_ieq(weir_str_trim(weir_str_cut(line, ':', &value)),
                          WEIR_STR("content-disposition")))
            continue;
        if (again)
            return wrong(r, "A part of the form has its Content-Disposition twice.");
        again = true;
        weir_str_cut(value, ';', &params);
        if (!params.p)
            return wrong(r, "A part of the form has no name.");
        *name = param(params, WEIR_STR("name"), &twice);
        /* A file's name may hold anything; what is no file is read. */
        if (!name->p || twice || memchr(line.p, '\n', line.n) || memchr(line.p, '\r', line.n))
            return wrong(r, "A part of the form has no name, or two.");
        if (is_coded(*name) || (is_coded(params) && !memmem(params.p, params.n, "filename", 8)))
            return wrong(r, "A part of the form has its name in a coded form.");
    }
    return again || wrong(r, "A part of the form has no Content-Disposition.");
}

static bool take_part(struct reader *r, struct weir_str part, struct weir_llm_form_field *fields,
                      size_t n)
{
    const char *end = memmem(part.p, part.n < MAX_HEAD ? part.n : MAX_HEAD, "\r\n\r\n", 4);
    struct weir_str name, value;

    if (!end)
        return wrong(r, "A part of the form has no head, or one that is too long.");
    value = from(part, (size_t)(end - part.p) + 4);
    if (!read_head(r, (struct weir_str){part.p, (size_t)(end - part.p)}, &name))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!weir_str_eq(name, fields[i].name))
            continue;
        if (fields[i].value.p)
            return wrong(r, "A field of the form occurs twice.");
        fields[i].value = value;
    }
    return true;
}

int weir_llm_form_read(struct weir_str content_type, struct weir_str body,
                       struct weir_llm_form_field *fields, size_t n, const char **why)
{
    struct reader r = {.rest = body};
    struct weir_str part;
    bool more = true;

    for (size_t i = 0; i < n; i++)
        fields[i].value = WEIR_STR_NULL;
    if (!read_boundary(&r, content_type))
        goto fail;
    /* The first boundary needs no line before it. */
    if (weir_str_starts(body, (struct weir_str){r.mark + 2, r.mark_n - 2}))
        r.rest = from(body, r.mark_n - 2);
    else if (!next_part(&r, &part))
        goto fail;
    if (!goes_on(&r, &more))
        goto fail;
    for (size_t count = 0; more; count++) {
        if (count == MAX_PARTS) {
            wrong(&r, "The form has more than 1,000 parts.");
            goto fail;
        }
        if (!next_part(&r, &part) || !take_part(&r, part, fields, n) || !goes_on(&r, &more))
            goto fail;
    }
    return WEIR_OK;
fail:
    *why = r.why;
    return WEIR_EINVAL;
}
