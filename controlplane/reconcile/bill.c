/* bill.c - see bill.h. */
#include "controlplane/reconcile/bill.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "controlplane/reconcile/internal.h"

enum { DAY_MS = 86400000, MAX_DIGITS = 64, NANO_DIGITS = 9, MAX_EXPONENT = 40 };

int weir_bill_vendor(const char *name, enum weir_bill_vendor *out)
{
    static const char *const names[] = {"openai", "anthropic", "aws"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum weir_bill_vendor)i;
            return WEIR_OK;
        }
    return WEIR_ENOTFOUND;
}

/* ---- numbers and days ---- */

struct decimal {
    char digits[MAX_DIGITS];
    int n, point; /* the value is 0.DIGITS * 10^point */
    bool minus;
};

static bool read_exponent(struct weir_str s, int *out)
{
    int64_t v = 0;
    bool minus = s.n && s.p[0] == '-';

    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = (struct weir_str){s.p + 1, s.n - 1};
    if (!s.n || s.n > 4 || s.p[0] == '-' || weir_str_i64(s, &v) != WEIR_OK)
        return false;
    *out = (int)(minus ? -v : v);
    return *out >= -MAX_EXPONENT && *out <= MAX_EXPONENT;
}

static bool add_digit(struct decimal *d, char c, bool after_point)
{
    if (c < '0' || c > '9' || d->n == MAX_DIGITS)
        return false;
    d->digits[d->n++] = (char)(c - '0');
    d->point += !after_point;
    return true;
}

static bool read_decimal(struct weir_str s, struct decimal *d)
{
    bool after_point = false;
    size_t i = 0;
    int exponent = 0;

    *d = (struct decimal){.minus = s.n && s.p[0] == '-'};
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        i++;
    for (; i < s.n && s.p[i] != 'e' && s.p[i] != 'E'; i++) {
        if (s.p[i] == '.' && !after_point)
            after_point = true;
        else if (!add_digit(d, s.p[i], after_point))
            return false;
    }
    if (i < s.n && !read_exponent((struct weir_str){s.p + i + 1, s.n - i - 1}, &exponent))
        return false;
    d->point += exponent;
    return d->n > 0;
}

int weir_bill_nano(struct weir_str text, int shift, int64_t *out)
{
    struct decimal d;
    int64_t v = 0;
    int last;

    if (!read_decimal(weir_str_trim(text), &d))
        return WEIR_EINVAL;
    last = d.point + shift + NANO_DIGITS; /* so many digits stand before nano's point */
    for (int i = 0; i < last || i < d.n; i++) {
        int digit = i < d.n ? d.digits[i] : 0;

        if (i >= last) {
            v += i == last && last >= 0 && digit >= 5;
            break;
        }
        if (v > INT64_MAX / 10 - 1)
            return WEIR_EINVAL;
        v = v * 10 + digit;
    }
    *out = d.minus ? -v : v;
    return WEIR_OK;
}

static bool is_utc(struct weir_str time)
{
    if (time.n && (time.p[0] == 'T' || time.p[0] == ' '))
        for (size_t i = 1; i < time.n; i++)
            if (time.p[i] == '+' || time.p[i] == '-')
                return strspn(time.p + i, "+-0:") >= time.n - i;
    return !time.n || time.p[0] == 'T' || time.p[0] == ' ';
}

int weir_bill_day(struct weir_str text, int64_t *out_ms)
{
    struct tm tm = {0};
    char day[64];
    const char *end;
    int64_t seconds;

    text = weir_str_trim(text);
    if (text.n == 0 || text.n >= sizeof day)
        return WEIR_EINVAL;
    if (weir_str_i64(text, &seconds) == WEIR_OK) {
        if (seconds < 0 || seconds > INT64_C(32503680000)) /* the year 3000 */
            return WEIR_EINVAL;
        *out_ms = seconds * 1000 - seconds * 1000 % DAY_MS;
        return WEIR_OK;
    }
    memcpy(day, text.p, text.n);
    day[text.n] = 0;
    end = strptime(day, "%Y-%m-%d", &tm);
    if (!end || end != day + 10 || tm.tm_year < 70 || !is_utc(weir_str_of(end)))
        return WEIR_EINVAL;
    *out_ms = (int64_t)timegm(&tm) * 1000;
    return WEIR_OK;
}

struct weir_str weir__bill_line_item(struct weir_str item)
{
    for (size_t i = 0; i < item.n; i++)
        if (item.p[i] == ',')
            return weir_str_trim((struct weir_str){item.p, i});
    return weir_str_trim(item);
}

bool weir__bill_is_usd(struct weir_str currency)
{
    currency = weir_str_trim(currency);
    return !currency.n || weir_str_is(currency, "usd") || weir_str_is(currency, "USD");
}

/* ---- reading ---- */

int weir__bill_next(struct weir__bill *b)
{
    int c = getc_unlocked(b->f);

    b->line += c == '\n';
    return c;
}

int weir__bill_refuse(struct weir__bill *b, unsigned long line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(b->e->text, sizeof b->e->text, format, args);
    va_end(args);
    b->e->line = line ? line : b->line;
    return WEIR_EINVAL;
}

int weir__bill_row(struct weir__bill *b, const struct weir_bill_row *row)
{
    b->rows++;
    return b->fn(b->arg, row);
}

static int first_byte(struct weir__bill *b)
{
    static const unsigned char mark[] = {0xef, 0xbb, 0xbf}; /* of UTF-8 */
    int c = getc_unlocked(b->f);

    if (c == mark[0]) {
        for (size_t i = 1; i < sizeof mark; i++)
            if (getc_unlocked(b->f) != mark[i])
                return -2;
        c = getc_unlocked(b->f);
    }
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        b->line += c == '\n';
        c = getc_unlocked(b->f);
    }
    return c;
}

int weir_bill_read(FILE *f, enum weir_bill_vendor vendor, bool usage, weir_bill_row_fn fn,
                   void *arg, int64_t *left_out, struct weir_bill_error *e)
{
    struct weir__bill b = {
        .f = f, .vendor = vendor, .usage = usage, .fn = fn, .arg = arg, .e = e, .line = 1};
    int rc, c = first_byte(&b);

    *e = (struct weir_bill_error){.line = 0};
    weir_buf_init(&b.record, WEIR_BILL_MAX_RECORD);
    if (c == EOF)
        rc = ferror(f) ? WEIR_EIO : weir__bill_refuse(&b, 0, "the file is empty");
    else if (c == 0x1f || c == 'P' || c < 0)
        rc =
            weir__bill_refuse(&b, 0, "it is compressed or no text: unpack it to JSON or CSV first");
    else if (usage && c != '{' && c != '[')
        rc = weir__bill_refuse(&b, 0, "usage is read as the JSON of the vendor's API");
    else if (ungetc(c, f) == EOF)
        rc = WEIR_EIO;
    else
        rc = c == '{' || c == '[' ? weir__bill_json(&b) : weir__bill_csv(&b);
    if (rc == WEIR_OK && ferror(f))
        rc = WEIR_EIO;
    if (rc == WEIR_OK && !b.rows && !b.left_out)
        rc = weir__bill_refuse(&b, 0, "it holds no %s", usage ? "usage" : "costs");
    *left_out = b.left_out;
    weir_buf_fini(&b.record);
    return rc;
}
