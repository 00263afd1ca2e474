/* str.h - borrowed byte strings: a pointer and a length, NUL only at system borders. */
#ifndef WEIR_BASE_STR_H
#define WEIR_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct weir_str {
    const char *p; /* NULL: absent; "" with n 0: present and empty */
    size_t n;
};

#define WEIR_STR(lit) ((struct weir_str){(lit), sizeof(lit) - 1})
/* The same as an initialiser, for static tables. */
#define WEIR_STR_INIT(lit)                                                                         \
    {                                                                                              \
        (lit), sizeof(lit) - 1                                                                     \
    }
#define WEIR_STR_NULL ((struct weir_str){NULL, 0})
#define WEIR_STR_ARG(s) (int)(s).n, (s).p ? (s).p : "" /* for "%.*s" */

static inline struct weir_str weir_str_of(const char *z)
{
    return (struct weir_str){z, z ? strlen(z) : 0};
}

static inline bool weir_str_eq(struct weir_str a, struct weir_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool weir_str_is(struct weir_str a, const char *z)
{
    return weir_str_eq(a, weir_str_of(z));
}

bool weir_str_ieq(struct weir_str a, struct weir_str b); /* ASCII case folded */
/* Is s, case folded, one of the n? Most are told apart by their length. */
bool weir_str_iany(struct weir_str s, const struct weir_str *of, size_t n);
bool weir_str_starts(struct weir_str s, struct weir_str prefix);
bool weir_str_ends(struct weir_str s, struct weir_str suffix);
struct weir_str weir_str_trim(struct weir_str s); /* ASCII white space off both ends */

/* The part before the first c; *rest gets what follows it (absent when c does not occur). */
struct weir_str weir_str_cut(struct weir_str s, char c, struct weir_str *rest);

/* Whole string as a decimal integer. WEIR_EINVAL: anything else, overflow included. */
WEIR_NODISCARD int weir_str_i64(struct weir_str s, int64_t *out);

/* Decimal number ("2.5", "-1", "0.000001") as an integer scaled by 10^scale, exactly.
 * WEIR_EINVAL: no number, more decimals than scale, or overflow. */
WEIR_NODISCARD int weir_str_decimal(struct weir_str s, unsigned scale, int64_t *out);

/* Shell-like match with '*' only; used for model and label patterns. Linear time. */
bool weir_str_glob(struct weir_str pattern, struct weir_str s);

/* Compares in time that depends on the lengths only: for secrets and digests. */
bool weir_str_eq_secret(struct weir_str a, struct weir_str b);

/* Lower-case hex of n bytes into out (2n+1 bytes with the NUL). */
void weir_hex(const void *bytes, size_t n, char *out);
/* WEIR_EINVAL: odd length, a non-hex digit, or not exactly n bytes. */
WEIR_NODISCARD int weir_unhex(struct weir_str hex, void *out, size_t n);

#endif
