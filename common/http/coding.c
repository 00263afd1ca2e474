/* coding.c - decoders over zlib, brotli and zstd. Each writes straight into the body's free room.
 * One byte more than the body's maximum is decoded at most: that byte shows that it is too large.
 */
#include "http/coding.h"

#define ZLIB_CONST /* next_in may be const */

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "http/request.h"

enum {
    FIRST_BYTES = 16384,
    AT_ONCE_BYTES = 262144,
    ZSTD_WINDOW_LOG = 23, /* 8 MiB, the window that RFC 9659 allows for this coding */
};

static void free_body(void *arg)
{
    struct weir_http_body *b = arg;

    if (b->heap)
        free(b->p);
    b->p = NULL;
    if (b->pool)
        b->pool->used -= b->taken;
    b->taken = 0;
}

void weir_http_body_drop(struct weir_http_body *b)
{
    if (!b->heap)
        return;
    free_body(b);
    b->n = b->cap = 0;
}

void weir_http_body_init(struct weir_http_body *b, struct weir_arena *a, uint64_t max_bytes,
                         struct weir_http_body_pool *pool)
{
    *b = (struct weir_http_body){.max = max_bytes, .arena = a, .pool = pool};
}

/* Accounts for a room of cap bytes in all. */
static int take(struct weir_http_body *b, size_t cap)
{
    struct weir_http_body_pool *pool = b->pool;
    uint64_t more = (uint64_t)cap + WEIR_HTTP_BODY_PADDING - b->taken;

    if (pool && pool->max && (pool->used >= pool->max || more > pool->max - pool->used))
        return WEIR_EAGAIN;
    if (!b->taken)
        weir_arena_on_destroy(b->arena, free_body, b);
    if (pool)
        pool->used += more;
    b->taken += more;
    return WEIR_OK;
}

static int to_heap(struct weir_http_body *b, size_t cap)
{
    int rc = take(b, cap);

    if (rc)
        return rc;
    if (b->heap) {
        b->p = weir_realloc(b->p, cap + WEIR_HTTP_BODY_PADDING);
    } else {
        char *p = weir_alloc(cap + WEIR_HTTP_BODY_PADDING);

        if (b->n)
            memcpy(p, b->p, b->n);
        b->p = p;
        b->heap = true;
    }
    b->cap = cap;
    return WEIR_OK;
}

int weir_http_body_reserve(struct weir_http_body *b, size_t n)
{
    uint64_t need = (uint64_t)b->n + n, cap;

    if (need <= b->cap)
        return WEIR_OK;
    if (need > b->max)
        return WEIR_ELIMIT;
    cap = b->cap ? b->cap : FIRST_BYTES / 2;
    while (cap < need)
        cap *= 2;
    return to_heap(b, cap < b->max ? cap : b->max);
}

int weir_http_body_expect(struct weir_http_body *b, size_t n)
{
    int rc;

    if (n > b->max)
        return WEIR_ELIMIT;
    b->max = n;
    if (n > AT_ONCE_BYTES)
        return to_heap(b, AT_ONCE_BYTES);
    rc = take(b, n);
    if (rc)
        return rc;
    b->p = weir_arena_alloc(b->arena, n + WEIR_HTTP_BODY_PADDING);
    b->cap = n;
    return WEIR_OK;
}

int weir_http_body_add(struct weir_http_body *b, const char *p, size_t n)
{
    int rc = weir_http_body_reserve(b, n);

    if (rc)
        return rc;
    if (p != b->p + b->n) /* the socket may have read into place */
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return WEIR_OK;
}

struct weir_str weir_http_body_str(struct weir_http_body *b)
{
    static const char empty[WEIR_HTTP_BODY_PADDING];

    if (!b->p)
        return (struct weir_str){empty, 0};
    memset(b->p + b->n, 0, WEIR_HTTP_BODY_PADDING);
    return (struct weir_str){b->p, b->n};
}

enum kind { GZIP, DEFLATE, BR, ZSTD };

struct weir_http_coding {
    enum kind kind;
    bool open;  /* the library's state is allocated */
    bool ended; /* a complete stream was decoded */
    bool began;
    z_stream z;
    BrotliDecoderState *br;
    ZSTD_DStream *zstd;
};

static void close_coding(void *arg)
{
    struct weir_http_coding *c = arg;

    if (!c->open)
        return;
    c->open = false;
    if (c->kind == BR)
        BrotliDecoderDestroyInstance(c->br);
    else if (c->kind == ZSTD)
        ZSTD_freeDStream(c->zstd);
    else
        inflateEnd(&c->z);
}

static bool open_coding(struct weir_http_coding *c)
{
    switch (c->kind) {
    case GZIP:
        return inflateInit2(&c->z, 15 + 16) == Z_OK;
    case DEFLATE:
        return inflateInit2(&c->z, 15) == Z_OK; /* RFC 9110 8.4.1.2: the zlib format */
    case BR:
        c->br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
        return c->br != NULL;
    case ZSTD:
        c->zstd = ZSTD_createDStream();
        return c->zstd &&
               !ZSTD_isError(ZSTD_DCtx_setParameter(c->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
    }
    return false;
}

int weir_http_coding_create(struct weir_arena *a, struct weir_str name,
                            struct weir_http_coding **out)
{
    static const struct {
        struct weir_str name;
        enum kind kind;
    } known[] = {
        {{"gzip", 4}, GZIP}, {{"x-gzip", 6}, GZIP}, {{"deflate", 7}, DEFLATE},
        {{"br", 2}, BR},     {{"zstd", 4}, ZSTD},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct weir_http_coding *c;

        if (!weir_str_ieq(name, known[i].name))
            continue;
        c = WEIR_ARENA_NEW(a, struct weir_http_coding);
        c->kind = known[i].kind;
        WEIR_ASSERT(open_coding(c)); /* fails for want of memory only */
        c->open = true;
        weir_arena_on_destroy(a, close_coding, c);
        *out = c;
        return WEIR_OK;
    }
    return WEIR_EUNSUPPORTED;
}

/* Room to decode into: at least one byte, up to one past the maximum. */
static int room(struct weir_http_body *b, char **p, size_t *n)
{
    uint64_t max = b->max;
    int rc = WEIR_OK;

    if (b->n > max)
        return WEIR_ELIMIT;
    if (b->n == b->cap) {
        b->max = max + 1;
        rc = weir_http_body_reserve(b, 1);
        b->max = max;
    }
    *p = b->p + b->n;
    *n = b->cap - b->n;
    return rc;
}

static int step_zlib(struct weir_http_coding *c, const char **p, size_t *n, char *out,
                     size_t *out_n)
{
    int z;

    if (c->ended) { /* RFC 1952 2.2: members may follow each other */
        if (c->kind != GZIP || inflateReset(&c->z) != Z_OK)
            return WEIR_EPROTO;
        c->ended = false;
    }
    c->z.next_in = (const Bytef *)*p;
    c->z.avail_in = *n > UINT32_MAX ? UINT32_MAX : (uInt)*n;
    c->z.next_out = (Bytef *)out;
    c->z.avail_out = *out_n > UINT32_MAX ? UINT32_MAX : (uInt)*out_n;
    z = inflate(&c->z, Z_NO_FLUSH);
    *n -= (size_t)((const char *)c->z.next_in - *p);
    *p = (const char *)c->z.next_in;
    *out_n = (size_t)((char *)c->z.next_out - out);
    c->ended = z == Z_STREAM_END;
    return z == Z_OK || z == Z_STREAM_END || z == Z_BUF_ERROR ? WEIR_OK : WEIR_EPROTO;
}

static int step_br(struct weir_http_coding *c, const char **p, size_t *n, char *out, size_t *out_n)
{
    const uint8_t *in = (const uint8_t *)*p;
    uint8_t *to = (uint8_t *)out;
    size_t left = *out_n;
    BrotliDecoderResult r;

    if (c->ended)
        return WEIR_EPROTO;
    r = BrotliDecoderDecompressStream(c->br, n, &in, &left, &to, NULL);
    *p = (const char *)in;
    *out_n -= left;
    c->ended = r == BROTLI_DECODER_RESULT_SUCCESS;
    return r == BROTLI_DECODER_RESULT_ERROR ? WEIR_EPROTO : WEIR_OK;
}

static int step_zstd(struct weir_http_coding *c, const char **p, size_t *n, char *out,
                     size_t *out_n)
{
    ZSTD_inBuffer in = {*p, *n, 0};
    ZSTD_outBuffer to = {out, *out_n, 0};
    size_t r = ZSTD_decompressStream(c->zstd, &to, &in);

    *p += in.pos;
    *n -= in.pos;
    *out_n = to.pos;
    c->ended = r == 0;
    return ZSTD_isError(r) ? WEIR_EPROTO : WEIR_OK;
}

int weir_http_coding_feed(struct weir_http_coding *c, const char *p, size_t n,
                          struct weir_http_body *b)
{
    size_t out_n = 0, room_n = 0;

    c->began |= n > 0;
    /* A full output buffer may mean that more waits inside the library. */
    while (n > 0 || (out_n == room_n && room_n > 0 && !c->ended)) {
        char *out;
        int rc = room(b, &out, &room_n);

        if (rc)
            return rc;
        out_n = room_n;
        if (c->kind == BR)
            rc = step_br(c, &p, &n, out, &out_n);
        else if (c->kind == ZSTD)
            rc = step_zstd(c, &p, &n, out, &out_n);
        else
            rc = step_zlib(c, &p, &n, out, &out_n);
        if (rc)
            return rc;
        b->n += out_n;
        if (b->n > b->max)
            return WEIR_ELIMIT;
    }
    return WEIR_OK;
}

int weir_http_coding_end(struct weir_http_coding *c)
{
    bool whole = c->ended && c->began;

    close_coding(c);
    return whole ? WEIR_OK : WEIR_EPROTO;
}
