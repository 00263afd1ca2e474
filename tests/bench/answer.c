/* answer.c - see answer.h. */
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TIME_DIGITS = 19 };

void answer_reset(struct answer *a)
{
    a->state = ANSWER_HEAD;
    a->head_n = 0;
    a->digits = -1;
    a->chunked = false;
    a->keep_alive = true;
    a->left = 0;
}

static void read_times(struct answer *a, const char *p, size_t n)
{
    const char *end = p + n;

    while (p < end) {
        if (a->digits < 0) {
            p = memchr(p, '@', (size_t)(end - p));
            if (!p)
                return;
            p++;
            a->digits = 0;
            a->sent_ns = 0;
        }
        for (; p < end && a->digits >= 0 && a->digits < TIME_DIGITS; p++) {
            if (*p < '0' || *p > '9') {
                a->digits = -1;
                break;
            }
            a->sent_ns = a->sent_ns * 10 + (*p - '0');
            a->digits++;
        }
        if (a->digits == TIME_DIGITS) {
            a->on_time(a->arg, a->sent_ns);
            a->digits = -1;
        }
    }
}

static void read_head(struct answer *a)
{
    char *line = a->head, *next;

    a->status = a->head_n > 12 ? (int)strtol(a->head + 9, NULL, 10) : 0;
    for (; (next = strstr(line, "\r\n")) != NULL && next != line; line = next + 2) {
        *next = '\0';
        if (strncasecmp(line, "content-length:", 15) == 0)
            a->left = strtoll(line + 15, NULL, 10);
        else if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0)
            a->chunked = true;
        else if (strncasecmp(line, "connection: close", 17) == 0)
            a->keep_alive = false;
    }
    a->state = a->chunked ? ANSWER_SIZE : a->left ? ANSWER_DATA : ANSWER_DONE;
    if (a->chunked)
        a->left = 0;
}

/* Takes bytes of the head; returns how many were of it. */
static size_t take_head(struct answer *a, const char *p, size_t n)
{
    size_t before = a->head_n, room = sizeof a->head - 1 - before;
    const char *end;

    if (n > room)
        n = room;
    memcpy(a->head + before, p, n);
    a->head_n += n;
    a->head[a->head_n] = '\0';
    end = strstr(a->head + (before > 3 ? before - 3 : 0), "\r\n\r\n");
    if (!end) {
        if (a->head_n == sizeof a->head - 1)
            a->state = ANSWER_BAD;
        return n;
    }
    n = (size_t)(end + 4 - a->head) - before;
    read_head(a);
    return n;
}

static void take_size_byte(struct answer *a, char byte)
{
    if (byte == '\n') {
        a->state = a->left ? ANSWER_DATA : ANSWER_TRAILER;
        a->line_has_text = false;
    } else if (byte != '\r') {
        int digit = byte >= '0' && byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10;

        if (digit < 0 || digit > 15)
            a->state = ANSWER_BAD;
        else
            a->left = a->left * 16 + digit;
    }
}

static void take_trailer_byte(struct answer *a, char byte)
{
    if (byte == '\n' && !a->line_has_text)
        a->state = ANSWER_DONE;
    else if (byte == '\n')
        a->line_has_text = false;
    else if (byte != '\r')
        a->line_has_text = true;
}

static size_t take_data(struct answer *a, const char *p, size_t n)
{
    if ((int64_t)n > a->left)
        n = (size_t)a->left;
    read_times(a, p, n);
    a->left -= (int64_t)n;
    if (a->left == 0)
        a->state = a->chunked ? ANSWER_DATA_END : ANSWER_DONE;
    return n;
}

enum answer_state answer_feed(struct answer *a, const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && a->state < ANSWER_DONE) {
        switch (a->state) {
        case ANSWER_HEAD:
            i += take_head(a, p + i, n - i);
            break;
        case ANSWER_SIZE:
            take_size_byte(a, p[i++]);
            break;
        case ANSWER_DATA:
            i += take_data(a, p + i, n - i);
            break;
        case ANSWER_DATA_END:
            if (p[i++] == '\n')
                a->state = ANSWER_SIZE;
            break;
        case ANSWER_TRAILER:
            take_trailer_byte(a, p[i++]);
            break;
        case ANSWER_DONE:
        case ANSWER_BAD:
            break;
        }
    }
    if (i < n)
        a->state = ANSWER_BAD;
    return a->state;
}
