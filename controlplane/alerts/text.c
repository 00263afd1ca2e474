/* text.c - what people and programs are told of a crossing. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "controlplane/alerts/internal.h"
#include "data/json_write.h"
#include "data/render.h"

enum { SECRET_MIN = 16, SECRET_MAX = 4096 };

static void add_amount(struct weir_buf *out, enum weir_unit unit, int64_t n)
{
    if (unit == WEIR_UNIT_NANO_USD) {
        weir_buf_addz(out, "$");
        weir_render_usd(n, out);
    } else {
        weir_buf_addf(out, "%" PRId64 " %s", n, unit == WEIR_UNIT_TOKENS ? "tokens" : "requests");
    }
}

static void add_sentence(const struct weir_ledger_crossing *x, struct weir_buf *out)
{
    weir_buf_addf(out, "Budget %s%s%s%s ", x->budget, x->scope[0] ? " (" : "", x->scope,
                  x->scope[0] ? ")" : "");
    if (x->kind == WEIR_ALERT_ASKED) {
        weir_buf_addz(out, "has calls that wait for somebody to raise or deny it (weir budget): ");
        add_amount(out, x->unit, x->hour);
        weir_buf_addz(out, " are needed, ");
    } else if (x->kind == WEIR_ALERT_PERCENT) {
        weir_buf_addf(out, "has used %" PRId64 " %% of its limit: ", x->threshold);
    } else {
        weir_buf_addf(out, "burns more than %" PRId64 ".%" PRId64 " times its mean: ",
                      x->threshold / 1000, x->threshold / 100 % 10);
        add_amount(out, x->unit, x->hour);
        weir_buf_addz(out, " in the last hour, ");
    }
    add_amount(out, x->unit, x->settled);
    weir_buf_addz(out, " of ");
    add_amount(out, x->unit, x->limit);
    weir_buf_addz(out, " are spent.");
}

static void add_time(struct weir_buf *out, int64_t ms)
{
    char text[32] = "";
    time_t s = (time_t)(ms / 1000);
    struct tm tm;

    if (gmtime_r(&s, &tm))
        (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    weir_buf_addz(out, text);
}

void weir__alert_text(const struct weir_ledger_crossing *x, struct weir_buf *out)
{
    add_sentence(x, out);
    weir_buf_addz(out, "\n\nSeen: ");
    add_time(out, x->at_ms);
    if (x->window_end_ms >= 0) {
        weir_buf_addz(out, "\nThe window ends: ");
        add_time(out, x->window_end_ms);
    }
    weir_buf_addf(out, "\nAlert: %" PRId64 "\n", x->id);
}

static const char *type_of(enum weir_alert_kind kind)
{
    return kind == WEIR_ALERT_PERCENT ? "budget.percent"
           : kind == WEIR_ALERT_BURN  ? "budget.burnRate"
                                      : "budget.asked";
}

void weir__alert_json(const struct weir_ledger_crossing *x, bool slack, struct weir_buf *out)
{
    struct weir_buf sentence;
    struct weir_jw w = {.b = out};

    weir_buf_init(&sentence, WEIR__ALERT_TEXT_MAX);
    add_sentence(x, &sentence);
    weir_jw_object(&w, NULL);
    weir_jw_str(&w, "text", weir_buf_str(&sentence));
    if (!slack) {
        weir_jw_i64(&w, "id", x->id);
        weir_jw_z(&w, "type", type_of(x->kind));
        weir_jw_z(&w, "budget", x->budget);
        weir_jw_z(&w, "scope", x->scope);
        weir_jw_z(&w, "unit",
                  x->unit == WEIR_UNIT_NANO_USD ? "nanoUsd"
                  : x->unit == WEIR_UNIT_TOKENS ? "tokens"
                                                : "requests");
        if (x->kind != WEIR_ALERT_ASKED)
            weir_jw_i64(&w, x->kind == WEIR_ALERT_PERCENT ? "percent" : "burnRateThousandths",
                        x->threshold);
        weir_jw_i64(&w, "spent", x->settled);
        weir_jw_i64(&w, "limit", x->limit);
        if (x->kind != WEIR_ALERT_PERCENT)
            weir_jw_i64(&w, x->kind == WEIR_ALERT_BURN ? "lastHour" : "need", x->hour);
        weir_jw_i64(&w, "windowStartMs", x->window_start_ms);
        if (x->window_end_ms >= 0)
            weir_jw_i64(&w, "windowEndMs", x->window_end_ms);
        weir_jw_i64(&w, "atMs", x->at_ms);
    }
    weir_jw_end_object(&w);
    weir_buf_fini(&sentence);
}

int weir__alert_signature(const char *secret_file, struct weir_str body, int64_t now_s,
                          char out[128])
{
    unsigned char mac[WEIR_SHA256_BYTES];
    char hex[2 * sizeof mac + 1];
    struct weir_buf secret, text;
    int rc;

    weir_buf_init(&secret, SECRET_MAX);
    rc = weir_file_read(secret_file, &secret);
    while (rc == WEIR_OK && secret.n && (unsigned char)secret.p[secret.n - 1] <= ' ')
        secret.n--;
    if (rc == WEIR_OK && secret.n < SECRET_MIN)
        rc = WEIR_EINVAL;
    if (rc == WEIR_OK) {
        weir_buf_init(&text, body.n + 32);
        weir_buf_addf(&text, "%" PRId64 ".", now_s);
        (void)weir_buf_add(&text, body.p, body.n);
        weir_hmac_sha256(weir_buf_str(&secret), weir_buf_str(&text), mac);
        weir_buf_fini(&text);
        weir_hex(mac, sizeof mac, hex);
        (void)snprintf(out, 128, "t=%" PRId64 ",v1=%s", now_s, hex);
    }
    if (secret.p)
        weir_wipe(secret.p, secret.n);
    weir_buf_fini(&secret);
    return rc;
}
