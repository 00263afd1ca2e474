#include "controlplane/ledger/calendar.h"

#include <ctype.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

enum {
    DAY_S = 86400,
    ZONE_FILE_MAX = 256 * 1024,
    TZIF_HEADER = 44,
    OFFSET_MIN = -89999, /* RFC 8536 3.2 */
    OFFSET_MAX = 93599,
    DAYS_ASIDE = 2, /* so far may a window's day lie from what the clock shows */
};

/* A rule of the footer: when a change happens each year. */
struct change {
    char form; /* 'M': month, week, day; 'J': day 1..365 without leap days; 'N': day 0..365 */
    int month, week, day;
    int64_t at_s; /* local time of day; may be negative or over a day */
};

struct weir_zone {
    size_t n; /* transitions */
    int64_t *at;
    int64_t *offset; /* from at[i] on */
    int64_t before;  /* before the first */
    bool has_rule;   /* after the last transition */
    bool has_dst;
    int64_t std, dst;
    struct change to_dst, to_std;
};

/* ---- civil dates (proleptic Gregorian) ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Days since 1970-01-01; years are counted from March so that the leap day ends one. */
static int64_t days_of(int64_t y, int m, int d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = floor_div(y, 400);
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_of(int64_t days, int64_t *y, int *m, int *d)
{
    int64_t era, doe, yoe, doy, mp;

    days += 719468;
    era = floor_div(days, 146097);
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    *d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *y = yoe + era * 400 + (*m <= 2);
}

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* ---- the footer: POSIX TZ ---- */

static bool get_int(struct weir_str *s, int *out)
{
    int v = 0;
    size_t i = 0;

    for (; i < s->n && i < 4 && isdigit((unsigned char)s->p[i]); i++)
        v = v * 10 + (s->p[i] - '0');
    s->p += i;
    s->n -= i;
    *out = v;
    return i > 0;
}

static bool eat(struct weir_str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    s->p++;
    s->n--;
    return true;
}

static bool get_name(struct weir_str *s)
{
    size_t i = 0;

    if (eat(s, '<')) {
        while (i < s->n && s->p[i] != '>')
            i++;
        s->p += i;
        s->n -= i;
        return eat(s, '>');
    }
    while (i < s->n && isalpha((unsigned char)s->p[i]))
        i++;
    s->p += i;
    s->n -= i;
    return i >= 3;
}

static bool get_time(struct weir_str *s, int64_t *out)
{
    int sign = 1, h, m = 0, sec = 0;

    if (eat(s, '-'))
        sign = -1;
    else
        (void)eat(s, '+');
    if (!get_int(s, &h) || h > 167)
        return false;
    if (eat(s, ':') && (!get_int(s, &m) || m > 59))
        return false;
    if (eat(s, ':') && (!get_int(s, &sec) || sec > 59))
        return false;
    *out = sign * (h * 3600 + m * 60 + sec);
    return true;
}

static bool get_change(struct weir_str *s, struct change *c)
{
    *c = (struct change){.form = 'N', .at_s = 7200};
    if (!eat(s, ','))
        return false;
    if (eat(s, 'M')) {
        c->form = 'M';
        if (!get_int(s, &c->month) || !eat(s, '.') || !get_int(s, &c->week) || !eat(s, '.') ||
            !get_int(s, &c->day) || c->month < 1 || c->month > 12 || c->week < 1 || c->week > 5 ||
            c->day > 6)
            return false;
    } else {
        if (eat(s, 'J'))
            c->form = 'J';
        if (!get_int(s, &c->day) || c->day > 365 || (c->form == 'J' && c->day < 1))
            return false;
    }
    return !eat(s, '/') || get_time(s, &c->at_s);
}

static bool offset_ok(int64_t s)
{
    return s >= OFFSET_MIN && s <= OFFSET_MAX;
}

static bool get_offset(struct weir_str *s, int64_t *out)
{
    if (!get_time(s, out))
        return false;
    *out = -*out; /* POSIX counts westwards */
    return offset_ok(*out);
}

static bool get_footer(struct weir_str s, struct weir_zone *z)
{
    if (s.n == 0)
        return true; /* no rule: the last transition holds on */
    if (!get_name(&s) || !get_offset(&s, &z->std))
        return false;
    z->has_rule = true;
    if (s.n == 0)
        return true;
    z->has_dst = true;
    z->dst = z->std + 3600;
    if (!get_name(&s))
        return false;
    if (s.n > 0 && s.p[0] != ',' && !get_offset(&s, &z->dst))
        return false;
    return get_change(&s, &z->to_dst) && get_change(&s, &z->to_std) && s.n == 0;
}

/* Local seconds since 1970 of the change in a year. */
static int64_t change_at(const struct change *c, int64_t year)
{
    int64_t days;
    int weekday;

    if (c->form == 'J') {
        days = days_of(year, 1, 1) + c->day - 1 + (is_leap(year) && c->day >= 60);
    } else if (c->form == 'N') {
        days = days_of(year, 1, 1) + c->day;
    } else {
        days = days_of(year, c->month, 1);
        weekday = (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
        days += (c->day - weekday + 7) % 7 + (c->week - 1) * 7;
        if (c->week == 5) { /* the last one */
            int64_t next =
                c->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, c->month + 1, 1);
            while (days >= next)
                days -= 7;
        }
    }
    return days * DAY_S + c->at_s;
}

static int64_t rule_offset(const struct weir_zone *z, int64_t t)
{
    int64_t year, start, end;
    int m, d;

    if (!z->has_dst)
        return z->std;
    civil_of(floor_div(t + z->std, DAY_S), &year, &m, &d);
    start = change_at(&z->to_dst, year) - z->std;
    end = change_at(&z->to_std, year) - z->dst;
    if (start < end)
        return t >= start && t < end ? z->dst : z->std;
    return t >= start || t < end ? z->dst : z->std; /* south of the equator */
}

/* ---- the file ---- */

static int64_t be(const char *p, int bytes)
{
    uint64_t v = 0;

    for (int i = 0; i < bytes; i++)
        v = v << 8 | (unsigned char)p[i];
    return bytes == 4 ? (int32_t)(uint32_t)v : (int64_t)v;
}

struct counts {
    size_t isut, isstd, leap, time, type, chars;
};

static bool get_header(struct weir_str b, size_t at, struct counts *c)
{
    size_t *out[] = {&c->isut, &c->isstd, &c->leap, &c->time, &c->type, &c->chars};

    if (b.n < at + TZIF_HEADER || memcmp(b.p + at, "TZif", 4) != 0)
        return false;
    for (size_t i = 0; i < 6; i++) {
        int64_t v = be(b.p + at + 20 + 4 * i, 4);

        if (v < 0 || v > ZONE_FILE_MAX)
            return false;
        *out[i] = (size_t)v;
    }
    return true;
}

static size_t body_bytes(const struct counts *c, size_t time_bytes)
{
    return c->time * (time_bytes + 1) + c->type * 6 + c->chars + c->leap * (time_bytes + 4) +
           c->isstd + c->isut;
}

static bool read_transitions(struct weir_str b, size_t at, const struct counts *c,
                             struct weir_zone *z)
{
    const char *times = b.p + at, *index = times + c->time * 8, *types = index + c->time;

    if (c->type == 0)
        return false;
    z->at = weir_alloc((c->time + 1) * sizeof *z->at);
    z->offset = weir_alloc((c->time + 1) * sizeof *z->offset);
    z->before = be(types, 4);
    if (!offset_ok(z->before))
        return false;
    for (size_t i = 0; i < c->time; i++) {
        size_t type = (unsigned char)index[i];

        z->at[i] = be(times + i * 8, 8);
        if (type >= c->type || (i > 0 && z->at[i] <= z->at[i - 1]))
            return false;
        z->offset[i] = be(types + type * 6, 4);
        if (!offset_ok(z->offset[i]))
            return false;
    }
    z->n = c->time;
    return true;
}

int weir_zone_parse(struct weir_str b, struct weir_zone **out)
{
    struct weir_zone *z = WEIR_NEW(struct weir_zone);
    struct counts c;
    struct weir_str footer;
    size_t at;

    if (!get_header(b, 0, &c) || b.p[4] < '2')
        goto fail;
    at = TZIF_HEADER + body_bytes(&c, 4);
    if (!get_header(b, at, &c))
        goto fail;
    at += TZIF_HEADER;
    if (b.n < at + body_bytes(&c, 8) || !read_transitions(b, at, &c, z))
        goto fail;
    at += body_bytes(&c, 8);
    footer = (struct weir_str){b.p + at, b.n - at};
    if (!eat(&footer, '\n') || footer.n == 0 || footer.p[footer.n - 1] != '\n')
        goto fail;
    footer.n--;
    if (!get_footer(footer, z))
        goto fail;
    *out = z;
    return WEIR_OK;
fail:
    weir_zone_free(z);
    return WEIR_EINVAL;
}

/* "Europe/Berlin", "Etc/GMT+3": never a way out of the folder. */
static bool name_ok(struct weir_str name)
{
    if (name.n > 64 || name.n == 0 || !isalpha((unsigned char)name.p[0]))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum((unsigned char)name.p[i]) && (name.p[i] == '\0' || !strchr("/_+-", name.p[i])))
            return false;
    return true;
}

int weir_zone_load(struct weir_str name, struct weir_zone **out)
{
    char path[128];
    struct weir_buf bytes;
    int rc;

    if (name.n == 0 || weir_str_is(name, "UTC")) {
        *out = WEIR_NEW(struct weir_zone);
        return WEIR_OK;
    }
    if (!name_ok(name))
        return WEIR_EINVAL;
    (void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", WEIR_STR_ARG(name));
    weir_buf_init(&bytes, ZONE_FILE_MAX);
    rc = weir_file_read(path, &bytes);
    if (rc == WEIR_OK)
        rc = weir_zone_parse(weir_buf_str(&bytes), out);
    else
        rc = WEIR_ENOTFOUND;
    weir_buf_fini(&bytes);
    return rc;
}

void weir_zone_free(struct weir_zone *z)
{
    if (!z)
        return;
    free(z->at);
    free(z->offset);
    free(z);
}

int64_t weir_zone_offset(const struct weir_zone *z, int64_t t)
{
    size_t lo = 0, hi = z->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (z->at[mid] <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == z->n && z->has_rule)
        return rule_offset(z, t);
    return lo == 0 ? z->before : z->offset[lo - 1];
}

/* ---- windows ---- */

/* The first moment of a local day. */
static int64_t day_start(const struct weir_zone *z, int64_t days)
{
    int64_t local = days * DAY_S;
    int64_t early = local - weir_zone_offset(z, local - DAY_S);
    int64_t late = local - weir_zone_offset(z, local + DAY_S);
    int64_t lo = early < late ? early : late, hi = early < late ? late : early;

    if (lo + weir_zone_offset(z, lo) == local)
        return lo;
    if (hi + weir_zone_offset(z, hi) == local && hi - 1 + weir_zone_offset(z, hi - 1) < local)
        return hi;
    while (lo + 1 < hi) { /* midnight is skipped: the first moment after the jump */
        int64_t mid = lo + (hi - lo) / 2;

        if (mid + weir_zone_offset(z, mid) >= local)
            hi = mid;
        else
            lo = mid;
    }
    return hi;
}

static void month_bounds(int64_t today, int64_t *first, int64_t *next)
{
    int64_t y;
    int m, d;

    civil_of(today, &y, &m, &d);
    *first = days_of(y, m, 1);
    *next = m == 12 ? days_of(y + 1, 1, 1) : days_of(y, m + 1, 1);
}

/* The window with a local day in it: its days, from first up to next. */
static void days_around(enum weir_window_kind kind, int64_t day, int64_t *first, int64_t *next)
{
    if (kind == WEIR_WINDOW_MONTH) {
        month_bounds(day, first, next);
    } else if (kind == WEIR_WINDOW_WEEK) {
        *first = day - (day + 3 - floor_div(day + 3, 7) * 7);
        *next = *first + 7;
    } else {
        *first = day;
        *next = day + 1;
    }
}

/* Where the clock falls back over midnight (00:01 to 23:01), the day that has begun is shown as the
 * one before for a while: the window is the one that holds now, whatever day is shown. */
static bool days_bounds(const struct weir_zone *z, enum weir_window_kind kind, int64_t now,
                        int64_t *out_start, int64_t *out_end)
{
    int64_t day = floor_div(now + weir_zone_offset(z, now), DAY_S), first, next;

    for (int i = 0; i <= DAYS_ASIDE; i++) {
        days_around(kind, day, &first, &next);
        *out_start = day_start(z, first);
        *out_end = day_start(z, next);
        if (*out_start <= now && now < *out_end)
            return true;
        day = now < *out_start ? first - 1 : next;
    }
    return false;
}

void weir_window_bounds(const struct weir_zone *z, enum weir_window_kind kind, int64_t now_ms,
                        int64_t *out_start_ms, int64_t *out_end_ms)
{
    static const struct weir_zone utc;
    int64_t now = floor_div(now_ms, 1000), local = now + weir_zone_offset(z, now);
    int64_t unit = kind == WEIR_WINDOW_MINUTE ? 60 : 3600, start = now, end = now + 1;

    switch (kind) {
    case WEIR_WINDOW_TOTAL:
    case WEIR_WINDOW_ROLLING: /* moves within itself: rolling.c */
        *out_start_ms = 0;
        *out_end_ms = -1;
        return;
    case WEIR_WINDOW_MINUTE:
    case WEIR_WINDOW_HOUR:
        start = now - (local - floor_div(local, unit) * unit);
        end = start + unit;
        break;
    case WEIR_WINDOW_DAY:
    case WEIR_WINDOW_WEEK:
    case WEIR_WINDOW_MONTH:
        /* No zone in use jumps so far that its days don't follow one another; a damaged file may
         * say so. A window that is over already would be opened anew, with the whole limit, at
         * every call. */
        if (!days_bounds(z, kind, now, &start, &end))
            (void)days_bounds(&utc, kind, now, &start, &end);
        break;
    }
    *out_start_ms = start * 1000;
    *out_end_ms = end * 1000;
}
