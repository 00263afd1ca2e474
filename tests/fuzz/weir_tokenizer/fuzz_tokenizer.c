/* fuzz_tokenizer.c - any bytes have a count: at most one token a byte, and none only for nothing. A
 * text that is cut where a piece ends has the counts of its parts. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weir_vocabulary *vocabularies[2];

static int64_t count(const struct weir_vocabulary *v, const char *p, size_t n)
{
    struct weir_token_count c = weir_token_count(v, (struct weir_str){p, n});

    WEIR_ASSERT(c.tokens >= 0 && (uint64_t)c.tokens <= n && (c.tokens > 0) == (n > 0));
    return c.tokens;
}

/* Where bootstrap.sh has not made them, every byte is a token. */
static void open_vocabularies(void)
{
    static bool tried;

    if (!tried && (weir_vocabulary_open(WEIR_VOCABULARIES, WEIR_VOCABULARY_CL100K,
                                        &vocabularies[0]) != WEIR_OK ||
                   weir_vocabulary_open(WEIR_VOCABULARIES, WEIR_VOCABULARY_O200K,
                                        &vocabularies[1]) != WEIR_OK))
        fprintf(stderr, "no vocabularies in %s\n", WEIR_VOCABULARIES);
    tried = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = weir_alloc(size ? size : 1);

    open_vocabularies();
    memcpy(copy, data, size);
    for (int i = 0; i < 2; i++) {
        int64_t whole = count(vocabularies[i], copy, size);

        /* A letter after new lines always begins a piece, in both splittings. */
        for (size_t k = 1; k < size; k++)
            if (copy[k - 1] == '\n' && copy[k] >= 'a' && copy[k] <= 'z') {
                WEIR_ASSERT(count(vocabularies[i], copy, k) +
                                count(vocabularies[i], copy + k, size - k) ==
                            whole);
                break;
            }
    }
    free(copy);
    return 0;
}
