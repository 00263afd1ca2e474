/* tokenizer.c - the counts of many texts, and how fast they are counted.
 *
 *   bench.tokenizer FOLDER cl100k|o200k        texts on standard input, each after its length in
 * bytes and a new line; a line with its count, and "exact" or "bound", for each bench.tokenizer
 * FOLDER cl100k|o200k speed  one text on standard input; MB/s
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tokenizer/tokenizer.h"

enum { MOST = 256 << 20, ROUNDS = 5 };

static int count_texts(const struct weir_vocabulary *v)
{
    size_t n;

    while (scanf("%zu", &n) == 1 && getchar() == '\n' && n <= MOST) {
        char *text = weir_alloc(n + 1);
        struct weir_token_count c;

        if (fread(text, 1, n, stdin) != n)
            return 1;
        c = weir_token_count(v, (struct weir_str){text, n});
        printf("%lld %s\n", (long long)c.tokens, c.exact ? "exact" : "bound");
        free(text);
    }
    return 0;
}

static int measure(const struct weir_vocabulary *v)
{
    char *text = weir_alloc(MOST);
    size_t n = fread(text, 1, MOST, stdin);

    for (int i = 0; i < ROUNDS; i++) {
        int64_t from = weir_mono_ns();
        struct weir_token_count c = weir_token_count(v, (struct weir_str){text, n});
        int64_t us = (weir_mono_ns() - from) / 1000;

        printf("%zu bytes, %lld tokens, %.1f MB/s\n", n, (long long)c.tokens,
               (double)n / (double)(us ? us : 1));
    }
    free(text);
    return 0;
}

int main(int argc, char **argv)
{
    struct weir_vocabulary *v;
    int rc;

    if (argc < 3)
        return 2;
    rc = weir_vocabulary_open(
        argv[1], strcmp(argv[2], "o200k") == 0 ? WEIR_VOCABULARY_O200K : WEIR_VOCABULARY_CL100K,
        &v);
    if (rc != WEIR_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], weir_rc_name(rc));
        return 1;
    }
    rc = argc > 3 ? measure(v) : count_texts(v);
    weir_vocabulary_close(v);
    return rc;
}
