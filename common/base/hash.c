/* hash.c - see hash.h. SHA-256 is written out here so that common/base needs no TLS library. */
#include "base/hash.h"

#include "base/mem.h"

static const uint32_t k256[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void compress(uint32_t h[8], const unsigned char *p)
{
    uint32_t w[64], v[8];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = v[7] + (rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25)) +
                      ((v[4] & v[5]) ^ (~v[4] & v[6])) + k256[i] + w[i];
        uint32_t t2 = (rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22)) +
                      ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

void weir_sha256_init(struct weir_sha256 *s)
{
    *s = (struct weir_sha256){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                    0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void weir_sha256_add(struct weir_sha256 *s, const void *p, size_t n)
{
    const unsigned char *at = p;
    size_t have = s->total % 64;

    if (n == 0)
        return; /* p may be NULL then, which memcpy() may not be given */
    s->total += n;
    if (have) {
        size_t take = n < 64 - have ? n : 64 - have;

        memcpy(s->block + have, at, take);
        at += take;
        n -= take;
        if (have + take < 64)
            return;
        compress(s->h, s->block);
    }
    for (; n >= 64; at += 64, n -= 64)
        compress(s->h, at);
    if (n)
        memcpy(s->block, at, n);
}

void weir_sha256_end(struct weir_sha256 *s, unsigned char out[WEIR_SHA256_BYTES])
{
    uint64_t bits = s->total * 8;
    unsigned char tail[72] = {0x80};
    size_t pad = (s->total % 64 < 56 ? 56 : 120) - s->total % 64;

    for (int i = 0; i < 8; i++)
        tail[pad + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
    weir_sha256_add(s, tail, pad + 8);
    for (int i = 0; i < 32; i++)
        out[i] = (unsigned char)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void weir_sha256(struct weir_str s, unsigned char out[WEIR_SHA256_BYTES])
{
    struct weir_sha256 state;

    weir_sha256_init(&state);
    weir_sha256_add(&state, s.p, s.n);
    weir_sha256_end(&state, out);
}

enum { HMAC_BLOCK = 64 };

void weir_hmac_sha256(struct weir_str key, struct weir_str text,
                      unsigned char out[WEIR_SHA256_BYTES])
{
    unsigned char pad[HMAC_BLOCK] = {0};
    struct weir_sha256 s;

    if (key.n > HMAC_BLOCK)
        weir_sha256(key, pad);
    else if (key.n)
        memcpy(pad, key.p, key.n);
    for (size_t i = 0; i < HMAC_BLOCK; i++)
        pad[i] ^= 0x36;
    weir_sha256_init(&s);
    weir_sha256_add(&s, pad, HMAC_BLOCK);
    weir_sha256_add(&s, text.p, text.n);
    weir_sha256_end(&s, out);
    for (size_t i = 0; i < HMAC_BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    weir_sha256_init(&s);
    weir_sha256_add(&s, pad, HMAC_BLOCK);
    weir_sha256_add(&s, out, WEIR_SHA256_BYTES);
    weir_sha256_end(&s, out);
    weir_wipe(pad, sizeof pad);
    weir_wipe(&s, sizeof s);
}

/* The remainders of the 16 values of four bits. */
static const uint32_t crc_nibble[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

static uint32_t crc_portable(const unsigned char *p, size_t n, uint32_t crc)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ crc_nibble[crc & 15];
        crc = crc >> 4 ^ crc_nibble[crc & 15];
    }
    return crc;
}

#ifdef __x86_64__
/* The processor's own instruction, eight bytes at a time. */
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(const unsigned char *p, size_t n,
                                                            uint32_t crc)
{
    uint64_t wide = crc;

    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;

        memcpy(&word, p, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; n > 0; p++, n--)
        crc = __builtin_ia32_crc32qi(crc, *p);
    return crc;
}
#endif

uint32_t weir_crc32c(const void *p, size_t n)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_sse42(p, n, 0xFFFFFFFFu);
#endif
    return ~crc_portable(p, n, 0xFFFFFFFFu);
}

uint64_t weir_hash64(struct weir_str s, uint64_t seed)
{
    uint64_t h = seed ^ 0x9E3779B97F4A7C15ull ^ s.n;
    size_t i = 0;

    for (; i + 8 <= s.n; i += 8) {
        uint64_t w;

        memcpy(&w, s.p + i, 8);
        h = (h ^ w) * 0xFF51AFD7ED558CCDull;
        h ^= h >> 32;
    }
    for (; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001B3ull;
    h ^= h >> 29;
    h *= 0xC4CEB9FE1A85EC53ull;
    return h ^ h >> 32;
}
