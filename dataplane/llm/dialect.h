/* dialect.h - which APIs there are, and what a path of one of them asks for. Pure; any thread. */
#ifndef WEIR_LLM_DIALECT_H
#define WEIR_LLM_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum weir_dialect {
    WEIR_DIALECT_NONE,
    WEIR_DIALECT_OPENAI_CHAT,        /* POST /v1/chat/completions */
    WEIR_DIALECT_ANTHROPIC_MESSAGES, /* POST /v1/messages */
    WEIR_DIALECT_OPENAI_RESPONSES,   /* POST /v1/responses */
    WEIR_DIALECT_GEMINI,             /* POST /v1beta/models/M:generateContent */
    WEIR_DIALECT_BEDROCK,            /* POST /model/ID/converse */
    WEIR_DIALECT_CLIENTS,            /* those before it are clients', too, and translate into all */
    WEIR_DIALECT_COHERE = WEIR_DIALECT_CLIENTS, /* POST /v2/chat, of providers only */
    WEIR_DIALECT_COUNT,                         /* of the APIs of conversations */
    /* Further APIs, spoken wherever the conversation's API of the same vendor is. */
    WEIR_DIALECT_OPENAI_COMPLETIONS = WEIR_DIALECT_COUNT, /* POST /v1/completions */
    WEIR_DIALECT_OPENAI_EMBEDDINGS,                       /* POST /v1/embeddings */
    WEIR_DIALECT_GEMINI_EMBED,                            /* POST ...:embedContent */
    WEIR_DIALECT_GEMINI_EMBED_BATCH,                      /* POST ...:batchEmbedContents */
    WEIR_DIALECT_COHERE_EMBED,         /* POST /v2/embed; this and the next two of providers only */
    WEIR_DIALECT_BEDROCK_COHERE_EMBED, /* POST /model/ID/invoke, of Cohere's models */
    WEIR_DIALECT_TITAN_EMBED,          /* POST /model/ID/invoke, of Amazon's */
    WEIR_DIALECT_OPENAI_OTHER, /* images, audio, ...: what passes without being understood */
    WEIR_DIALECT_ALL,
};

/* What a path asks for. */
enum weir_operation {
    WEIR_OP_UNKNOWN,
    WEIR_OP_GENERATE,     /* a model call */
    WEIR_OP_COUNT_TOKENS, /* passed through, never billed */
    WEIR_OP_MODELS,       /* answered here */
    WEIR_OP_HELLO,        /* a harness asks whether anybody is there */
    WEIR_OP_STORED, /* about an answer that its provider keeps; passed through, never billed */
    WEIR_OP_PASS,   /* passed through by the path, with a price for the call */
};

/* Where a call is sent: a client's path, or a provider's (endpoint.h). */
struct weir_llm_endpoint {
    enum weir_dialect dialect;
    enum weir_operation operation;
    struct weir_str model; /* in the path; absent: the body names it */
    bool stream;           /* the path asks for a stream */
    /* Of WEIR_OP_STORED and WEIR_OP_PASS: the path, for the provider, too. */
    struct weir_str stored;
    bool deployment; /* a provider's: the model stands before the path, which has no version */
};

const char *weir_dialect_name(enum weir_dialect d); /* as in a Provider; never NULL */
const char *weir_dialect_call(enum weir_dialect d); /* "chat", ... in records; never NULL */
struct weir_str weir_dialect_stream_type(enum weir_dialect d); /* the content type of its streams */
/* The conversation's API that a Provider declares, and d comes with. */
enum weir_dialect weir_dialect_family(enum weir_dialect d);
/* Can it be translated into the APIs of other providers? */
/* The API that takes a call in d to a provider whose conversations are in another one; NONE: there
 * is none. */
enum weir_dialect weir_dialect_at(enum weir_dialect d, enum weir_dialect provider,
                                  struct weir_str model);
bool weir_dialect_translates(enum weir_dialect d);
bool weir_dialect_echoes(enum weir_dialect d);            /* the built-in provider answers in it */
int64_t weir_dialect_default_output(enum weir_dialect d); /* without a limit; 0: the model's */

#endif
