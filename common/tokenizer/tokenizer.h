/* tokenizer.h - how many tokens a text has, exactly, in the vocabularies that are open.
 *
 * A vocabulary is opened once (blocking: not on a loop), then read-only: any thread may count with
 * it. Counting takes CPU, about 0.1 us a byte: what is large doesn't belong on an event loop.
 */
#ifndef WEIR_TOKENIZER_TOKENIZER_H
#define WEIR_TOKENIZER_TOKENIZER_H

#include "base/str.h"

enum weir_vocabulary_kind {
    WEIR_VOCABULARY_UNKNOWN, /* none that is open: counts can only be bounded */
    WEIR_VOCABULARY_CL100K,
    WEIR_VOCABULARY_O200K,
};

struct weir_vocabulary;

/* Maps folder's file of that kind; NULL: of the folder that belongs to this program, which is
 * ../share/weir/vocabulary from where the program lies, or ../../vocabulary where it was built.
 * WEIR_ENOTFOUND: there is none; WEIR_ECORRUPT: it isn't whole, or of another version; WEIR_EIO. */
WEIR_NODISCARD int weir_vocabulary_open(const char *folder, enum weir_vocabulary_kind kind,
                                        struct weir_vocabulary **out);
void weir_vocabulary_close(struct weir_vocabulary *v); /* NULL is fine */

/* The vocabulary that a model is known to use, by its name at a provider ("openai/gpt-4o-mini"). */
enum weir_vocabulary_kind weir_vocabulary_of_model(struct weir_str model);
const char *weir_vocabulary_name(enum weir_vocabulary_kind kind); /* "o200k_base"; never NULL */

struct weir_token_count {
    int64_t tokens;
    bool exact; /* else there are no more than these */
};

/* v NULL: every byte as a token. Allocates only for a piece of more than 256 bytes without a place
 * to split it, and then at most 4 MiB, which it frees. */
struct weir_token_count weir_token_count(const struct weir_vocabulary *v, struct weir_str text);

#endif
