/* lkg.c - the last known good policy as bytes: a line that names the format, the SHA-256 of the
 * rest, the rest: one packed ConfigTxn without secrets. */
#include "dataplane/control/policy.h"

#include "base/hash.h"
#include "base/mem.h"

static const char MAGIC[] = "weir last known good 1\n";

enum { MAGIC_BYTES = sizeof MAGIC - 1, HEAD_BYTES = MAGIC_BYTES + WEIR_SHA256_BYTES };

void weir__lkg_encode(const struct weir__policy *p, struct weir_buf *out)
{
    const struct weir_policy_bytes *b = weir__policy_bytes(p);
    Weir__V1__ConfigTxn txn = WEIR__V1__CONFIG_TXN__INIT;
    Weir__V1__Resource *list = weir_alloc((b->count + 1) * sizeof *list);
    unsigned char digest[WEIR_SHA256_BYTES];
    char *at;
    size_t n;

    txn.revision = (char *)b->revision;
    txn.upserts = weir_alloc((b->count + 1) * sizeof *txn.upserts);
    for (size_t i = 0; i < b->count; i++) {
        Weir__V1__Resource *r = &list[txn.n_upserts];

        if (weir__policy_is_secret(b->resources[i].type))
            continue;
        weir__v1__resource__init(r);
        r->type = (char *)b->resources[i].type;
        r->name = (char *)b->resources[i].name;
        r->version = (char *)b->resources[i].version;
        r->has_body = true;
        r->body.data = (uint8_t *)b->resources[i].body.p;
        r->body.len = b->resources[i].body.n;
        txn.upserts[txn.n_upserts++] = r;
    }
    n = weir__v1__config_txn__get_packed_size(&txn);
    at = weir_buf_reserve(out, HEAD_BYTES + n);
    if (at) {
        weir__v1__config_txn__pack(&txn, (uint8_t *)at + HEAD_BYTES);
        weir_sha256((struct weir_str){at + HEAD_BYTES, n}, digest);
        memcpy(at, MAGIC, MAGIC_BYTES);
        memcpy(at + MAGIC_BYTES, digest, sizeof digest);
        weir_buf_grown(out, HEAD_BYTES + n);
    }
    free(txn.upserts);
    free(list);
}

/* A file of ours never has a secret; one that has is not taken up. */
static bool has_secret(const Weir__V1__ConfigTxn *txn)
{
    for (size_t i = 0; i < txn->n_upserts; i++)
        if (txn->upserts[i]->type && weir__policy_is_secret(txn->upserts[i]->type))
            return true;
    return false;
}

int weir__lkg_decode(struct weir_str bytes, struct weir__policy **out)
{
    unsigned char digest[WEIR_SHA256_BYTES];
    struct weir__policy *empty;
    struct weir__staging *s;
    Weir__V1__ConfigTxn *txn;
    int rc = WEIR_ECORRUPT;

    if (bytes.n < HEAD_BYTES || memcmp(bytes.p, MAGIC, MAGIC_BYTES) != 0)
        return WEIR_ECORRUPT;
    weir_sha256((struct weir_str){bytes.p + HEAD_BYTES, bytes.n - HEAD_BYTES}, digest);
    if (memcmp(digest, bytes.p + MAGIC_BYTES, sizeof digest) != 0)
        return WEIR_ECORRUPT;
    txn = weir__v1__config_txn__unpack(NULL, bytes.n - HEAD_BYTES,
                                       (const uint8_t *)bytes.p + HEAD_BYTES);
    if (!txn)
        return WEIR_ECORRUPT;
    empty = weir__policy_empty();
    s = weir__staging_create();
    if (!has_secret(txn) && txn->n_removed == 0 && weir__staging_add(s, txn) == WEIR_OK &&
        weir__policy_after(empty, s, out) == WEIR_OK)
        rc = WEIR_OK;
    weir__staging_free(s);
    weir__policy_free(empty);
    weir__v1__config_txn__free_unpacked(txn, NULL);
    return rc;
}
