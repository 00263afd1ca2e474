/* hash.h - digests: SHA-256 (FIPS 180-4) for content and keys, CRC-32C for stored records, a fast
 * keyed hash for tables. */
#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { WEIR_SHA256_BYTES = 32 };

struct weir_sha256 {
    uint32_t h[8];
    uint64_t total;
    unsigned char block[64];
};

void weir_sha256_init(struct weir_sha256 *s);
void weir_sha256_add(struct weir_sha256 *s, const void *p, size_t n);
void weir_sha256_end(struct weir_sha256 *s, unsigned char out[WEIR_SHA256_BYTES]);
void weir_sha256(struct weir_str s, unsigned char out[WEIR_SHA256_BYTES]);

/* RFC 2104. key: of any length. */
void weir_hmac_sha256(struct weir_str key, struct weir_str text,
                      unsigned char out[WEIR_SHA256_BYTES]);

uint32_t weir_crc32c(const void *p, size_t n); /* Castagnoli (RFC 3720) */

uint64_t weir_hash64(struct weir_str s, uint64_t seed); /* not for secrets */

#endif
