/* correction_handlers.c - corrections of what was spent: made and listed; and days as parameters.
 */
#include <time.h>
#include <yyjson.h>

#include "controlplane/api/internal.h"
#include "controlplane/telemetry/correct.h"
#include "data/decode.h"

enum { MAX_LIST = 1000 };

bool weir__api_day(struct weir_str text, int64_t *out_ms)
{
    struct tm tm = {0};
    char day[11];
    const char *end;

    if (text.n != sizeof day - 1)
        return false;
    memcpy(day, text.p, text.n);
    day[text.n] = 0;
    end = strptime(day, "%Y-%m-%d", &tm);
    if (!end || *end || tm.tm_year < 70)
        return false;
    *out_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

bool weir__api_query_days(struct weir_api_ctx *c, int64_t *from_ms, int64_t *until_ms)
{
    struct weir_str from = weir__api_query(c, "from"), until = weir__api_query(c, "until");

    if ((!from.n || weir__api_day(from, from_ms)) && (!until.n || weir__api_day(until, until_ms)) &&
        *from_ms < *until_ms)
        return true;
    weir__api_error(c, 400, "bad_parameter",
                    "Write days as 2026-11-01; until is the first day that is left out.",
                    "from and until are no days, or not in this order.");
    return false;
}

static struct weir_str member(yyjson_val *object, const char *name)
{
    yyjson_val *v = yyjson_obj_get(object, name);

    return yyjson_is_str(v) ? (struct weir_str){yyjson_get_str(v), yyjson_get_len(v)}
                            : WEIR_STR_NULL;
}

/* "-1.25", "$3". */
static bool read_amount(struct weir_str text, int64_t *out)
{
    bool minus = text.n && text.p[0] == '-';

    if (text.n && (text.p[0] == '-' || text.p[0] == '+'))
        text = (struct weir_str){text.p + 1, text.n - 1};
    if (text.n && text.p[0] == '$')
        text = (struct weir_str){text.p + 1, text.n - 1};
    if (weir_data_usd(text, out) != WEIR_OK || *out < 0)
        return false;
    *out = minus ? -*out : *out;
    return true;
}

/* False: refused, the reply is there. */
static bool read_labels(struct weir_api_ctx *c, yyjson_val *labels, struct weir_correction *k)
{
    yyjson_val *name, *value;
    size_t i, max;

    if (!labels) /* the loop can't take none */
        return true;
    yyjson_obj_foreach(labels, i, max, name, value)
    {
        int at =
            weir_correction_label((struct weir_str){yyjson_get_str(name), yyjson_get_len(name)});

        if (at < 0 || !yyjson_is_str(value)) {
            weir__api_error(c, 400, "invalid",
                            "Use namespace, agent, project, team, model, provider, key, "
                            "environment, each with a text.",
                            "labels has one that spend is not kept for.");
            return false;
        }
        k->labels[at] = (struct weir_str){yyjson_get_str(value), yyjson_get_len(value)};
    }
    return true;
}

static void write_correction(struct weir_jw *w, const struct weir_correction *k)
{
    static const char *const names[] = {"namespace", "agent",    "project", "team",
                                        "model",     "provider", "key",     "environment"};

    weir_jw_object(w, NULL);
    weir_jw_i64(w, "id", k->id);
    if (k->at_ms)
        weir_jw_i64(w, "atMs", k->at_ms);
    weir_jw_i64(w, "forMs", k->for_ms);
    weir_jw_i64(w, "costNano", k->nano_usd);
    weir_jw_object(w, "labels");
    for (size_t i = 0; i < WEIR_CORRECTION_LABELS; i++)
        if (k->labels[i].n)
            weir_jw_str(w, names[i], k->labels[i]);
    weir_jw_end_object(w);
    weir_jw_str(w, "reason", k->reason);
    weir_jw_str(w, "actor", k->actor);
    if (k->ref.n)
        weir_jw_str(w, "ref", k->ref);
    weir_jw_end_object(w);
}

static const char *store_of(struct weir_api_ctx *c)
{
    if (!c->api->backend.telemetry_path)
        weir__api_error(c, 503, "unavailable", "See the control plane's log.",
                        "The telemetry store is not open.");
    return c->api->backend.telemetry_path;
}

static void correct(struct weir_api_ctx *c, yyjson_val *root)
{
    struct weir_correction k = {.reason = member(root, "reason"),
                                .ref = member(root, "ref"),
                                .actor = weir_str_of(weir_role_name(c->role))};
    const char *path = store_of(c);
    int rc;

    if (!path || !read_labels(c, yyjson_obj_get(root, "labels"), &k))
        return;
    if (!weir__api_day(member(root, "day"), &k.for_ms) ||
        !read_amount(member(root, "by"), &k.nano_usd) || !k.reason.n) {
        weir__api_error(c, 400, "invalid",
                        "Send {\"by\": \"-1.25\", \"day\": \"2026-11-20\", \"reason\": TEXT}.",
                        "by must be US dollars, day a day, and a correction needs a reason.");
        return;
    }
    rc = weir_correction_add(path, &k, &k.id);
    if (rc != WEIR_OK) {
        weir__api_fail(c, rc, rc == WEIR_EEXIST ? "A correction with this ref" : "This correction");
        return;
    }
    write_correction(weir__api_ok(c), &k);
    c->status = 201;
}

void weir__api_correct(struct weir_api_ctx *c)
{
    yyjson_doc *doc = yyjson_read(c->body.p, c->body.n, 0);

    if (yyjson_is_obj(yyjson_doc_get_root(doc)))
        correct(c, yyjson_doc_get_root(doc));
    else
        weir__api_error(c, 400, "invalid_json",
                        "Send {\"by\": \"-1.25\", \"day\": \"2026-11-20\", \"reason\": TEXT}.",
                        "The body is not a JSON object.");
    yyjson_doc_free(doc);
}

void weir__api_corrections(struct weir_api_ctx *c)
{
    const char *path = store_of(c);
    struct weir_correction *list;
    struct weir_jw *w;
    int64_t limit;
    size_t n;
    int rc;

    if (!path || !weir__api_query_i64(c, "limit", 100, 1, MAX_LIST, &limit))
        return;
    rc = weir_correction_list(path, limit, c->arena, &list, &n);
    if (rc != WEIR_OK) {
        weir__api_fail(c, rc, "The list of corrections");
        return;
    }
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_array(w, "items");
    for (size_t i = 0; i < n; i++)
        write_correction(w, &list[i]);
    weir_jw_end_array(w);
    weir_jw_end_object(w);
}
