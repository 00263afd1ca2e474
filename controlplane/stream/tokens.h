/* tokens.h - join tokens: only their digests are kept, in memory and in a file of the state folder.
 * Any thread; calls that change the file wait for the disk. */
#ifndef WEIR_STREAM_TOKENS_H
#define WEIR_STREAM_TOKENS_H

#include "base/str.h"

enum { WEIR__TOKENS_MAX = 10000, WEIR__TOKENS_NS_BYTES = 160 };

struct weir__tokens;
struct weir__shared;

/* WEIR_ECORRUPT: a line that does not parse; WEIR_EIO. */
WEIR_NODISCARD int weir__tokens_open(const char *folder, struct weir__tokens **out);
void weir__tokens_close(struct weir__tokens *t); /* NULL is fine */

/* From now on new ones are kept there, not in the file; those of the file stay good here. Before
 * the first use. */
void weir__tokens_share(struct weir__tokens *t, struct weir__shared *s);
/* One that can be used many times and is not in the file. */
void weir__tokens_configure(struct weir__tokens *t, struct weir_str token, const char *ns);
/* WEIR_ELIMIT: WEIR__TOKENS_MAX are open. WEIR_EIO: the file. */
WEIR_NODISCARD int weir__tokens_add(struct weir__tokens *t, struct weir_str token, const char *ns,
                                    int64_t expires_ms);
/* Uses it up, on disk too, before it returns. WEIR_EAUTH: unknown, used or too old. */
WEIR_NODISCARD int weir__tokens_use(struct weir__tokens *t, struct weir_str token,
                                    char out_ns[WEIR__TOKENS_NS_BYTES]);

#endif
