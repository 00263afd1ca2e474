/* json_scan.h - JSON read where it lies: a validating pull reader over a whole document, and a tap
 * that picks values out of a document that arrives in pieces. Neither allocates.
 *
 * Strict RFC 8259 with well-formed UTF-8, no byte order mark, at most WEIR_JSON_DEPTH levels. Keys
 * and strings are handed out raw, between their quotes; weir_json_unescape() reads them. */
#ifndef WEIR_DATA_JSON_SCAN_H
#define WEIR_DATA_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { WEIR_JSON_DEPTH = 256 };

enum weir_json_type {
    WEIR_JSON_BAD, /* an error, or no value here */
    WEIR_JSON_OBJECT,
    WEIR_JSON_ARRAY,
    WEIR_JSON_STRING,
    WEIR_JSON_NUMBER,
    WEIR_JSON_TRUE,
    WEIR_JSON_FALSE,
    WEIR_JSON_NULL,
};

/* A reader stands before a value, before a member or element, or at the end. Errors stick: after
 * one, every call says "no more" and `fault` says what is wrong, `fault_at` where. */
struct weir_json {
    const char *begin, *p, *end;
    const char *fault; /* static; NULL: well so far */
    size_t fault_at;
    unsigned depth;
    bool first; /* just entered: no comma is due */
};

void weir_json_init(struct weir_json *j, struct weir_str s);

enum weir_json_type weir_json_peek(struct weir_json *j); /* of the value that comes next */

/* Into an object or array. False: it is something else (not an error yet), or a fault. */
bool weir_json_enter(struct weir_json *j, enum weir_json_type type);
/* The next member's raw key, and the reader stands before its value, which must be read or skipped.
 * False: the object has ended (the reader is behind it), or a fault. */
bool weir_json_member(struct weir_json *j, struct weir_str *key);
bool weir_json_element(struct weir_json *j); /* the same for arrays */

/* Past one value of any type; *raw (may be NULL) is all of its bytes. */
bool weir_json_skip(struct weir_json *j, struct weir_str *raw);
/* Past one string; *raw without quotes. False: no string. */
bool weir_json_string(struct weir_json *j, struct weir_str *raw);
/* WEIR_OK: the document ended here and all of it was well-formed. */
WEIR_NODISCARD int weir_json_end(struct weir_json *j);

/* Checks a whole document; *fault_at may be NULL. */
WEIR_NODISCARD int weir_json_check(struct weir_str s, size_t *fault_at);

/* A raw string's or key's text into out, which has room for raw.n bytes (an escape never grows).
 * Lone surrogates become U+FFFD. Returns the length. */
size_t weir_json_unescape(struct weir_str raw, char *out);
/* Is the raw key or string this text, however it is escaped? */
bool weir_json_is(struct weir_str raw, const char *text);
/* Bytes of a raw string's text, without writing it anywhere. */
size_t weir_json_text_bytes(struct weir_str raw);
/* A raw number as an integer: "1", "-2". WEIR_EINVAL: a fraction, an exponent, or overflow. */
WEIR_NODISCARD int weir_json_i64(struct weir_str raw, int64_t *out);

/* ---- pieces ---- */

enum { WEIR_JSON_PATH = 4, WEIR_JSON_PICKS = 8, WEIR_JSON_KEY = 48 };

/* One value to pick: the names that lead to it; "*" is any element of an array. When it occurs
 * again the last one counts. */
struct weir_json_pick {
    const char *path[WEIR_JSON_PATH];
    char *into; /* raw bytes, at most cap; NULL: only counted */
    size_t cap;
    size_t n;       /* of the last occurrence; > cap: it was too long and into is not whole */
    uint64_t total; /* bytes of all occurrences */
    bool whole;     /* the last occurrence has ended */
};

/* Reads leniently (it forwards what others must judge) but counts levels exactly. */
struct weir_json_tap {
    struct weir_json_pick *picks;
    size_t count;
    unsigned depth;                    /* open containers; past 64 kept as a number only */
    uint64_t objects;                  /* bit d: level d is an object */
    uint8_t match[WEIR_JSON_PATH + 1]; /* bit i: pick i matches down to this level */
    char key[WEIR_JSON_KEY];
    size_t key_n;
    int active; /* the pick being taken; -1: none */
    unsigned active_depth;
    uint8_t state, value_match;
    bool escaped, key_next, begun, done;
};

void weir_json_tap_init(struct weir_json_tap *t, struct weir_json_pick *picks, size_t count);
void weir_json_tap_feed(struct weir_json_tap *t, const char *p, size_t n);
/* True when the document's outermost value has ended. */
bool weir_json_tap_done(const struct weir_json_tap *t);

#endif
