/* body.h - a chat request as an agent sends it: system prompt, history, tools with schemas. */
#ifndef WEIR_BENCH_BODY_H
#define WEIR_BENCH_BODY_H

#include <stdbool.h>
#include <stddef.h>

struct body_spec {
    const char *model;
    size_t bytes; /* of the body, as near as its parts allow */
    unsigned tools;
    bool stream;
};

/* malloc'd; NULL: no memory. */
char *body_make(const struct body_spec *spec, size_t *n);

#endif
