/* servers.h - servers that imitate OpenAI's Chat Completions, and where they differ: one row each,
 * in a constant table. A request that goes to one of them is made acceptable to it: fields that it
 * refuses are left out and named, others get the name or the value that it knows. What all of them
 * answer is read by the dialect itself (chat_tap.c, chat_answer_read.c), whoever says it. Pure
 * code: any thread, no I/O. */
#ifndef WEIR_LLM_SERVERS_H
#define WEIR_LLM_SERVERS_H

#include "dataplane/llm/llm.h"

enum { WEIR_SERVER_HOSTS = 3, WEIR_SERVER_NAMES = 32, WEIR_SERVER_DROPPED = 16 };

struct weir_server_rename {
    const char *from, *to;
};

struct weir_server {
    const char *name; /* as in a Provider */
    const char *hosts[WEIR_SERVER_HOSTS];
    bool newer_limit;    /* knows max_completion_tokens */
    bool stream_options; /* takes it; else usage is told without being asked for */
    bool developer;      /* knows the role; else it is "system" */
    bool no_schema;      /* of answers it knows "json_object" only */
    unsigned id_length;  /* of a tool call's id, letters and digits only; 0: any */
    /* All that it takes, where it refuses what it doesn't know; else none, and what it refuses. */
    const char *fields[WEIR_SERVER_NAMES], *message_fields[WEIR_SERVER_NAMES];
    const char *refused[WEIR_SERVER_NAMES];
    struct weir_server_rename renames[4];
    const char *efforts[8]; /* the words that it takes, from the least; none: any */
};

const struct weir_server *weir_server_at(size_t i);                  /* NULL past the last one */
const struct weir_server *weir_server_named(struct weir_str name);   /* NULL: none */
const struct weir_server *weir_server_of_host(struct weir_str host); /* NULL: none is known */
/* May it change a request at all? NULL: no. Of one that knows no developers only those that the
 * body given names count; absent: there are none. */
bool weir_server_has_rules(const struct weir_server *s, struct weir_str body);

struct weir_server_fit {
    struct weir_str body; /* freed with the arena */
    /* Fields that were left out: letters, digits, '_', '.' and '-' only. */
    struct weir_str dropped[WEIR_SERVER_DROPPED];
    size_t dropped_count;
    struct weir_str lost; /* the first one that may change the answer; absent: none may */
};

/* The body as the server takes it, less the fields in `refuses`, too; server NULL: none is meant.
 * False: nothing had to be changed, and out->body is the body given. What is no well-formed object
 * stays as it is: its server says so. */
bool weir_server_fit(const struct weir_server *s, const struct weir_str *refuses,
                     size_t refuse_count, struct weir_str body, struct weir_arena *a,
                     struct weir_server_fit *out);

#endif
