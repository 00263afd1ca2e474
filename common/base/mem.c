/* mem.c - see mem.h. */
#include "base/mem.h"

#include "base/log.h"

static void *checked(void *p, size_t n)
{
    if (!p && n) {
        WEIR_LOG(WEIR_LOG_ERROR, "base", "out of memory allocating %zu bytes", n);
        abort();
    }
    return p;
}

void *weir_alloc(size_t n)
{
    return checked(malloc(n ? n : 1), n);
}

void *weir_zalloc(size_t n)
{
    return checked(calloc(1, n ? n : 1), n);
}

void *weir_realloc(void *p, size_t n)
{
    return checked(realloc(p, n ? n : 1), n);
}

char *weir_strdup(struct weir_str s)
{
    char *z = weir_alloc(s.n + 1);

    if (s.n)
        memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return z;
}

void weir_wipe(void *p, size_t n)
{
    if (n)
        explicit_bzero(p, n);
}
