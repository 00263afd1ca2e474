/* internal.h - a mapped vocabulary, as its readers see it, and the two steps of counting. */
#ifndef WEIR_TOKENIZER_INTERNAL_H
#define WEIR_TOKENIZER_INTERNAL_H

#include "tokenizer/tokenizer.h"

/* The numbers in the files' tables of classes. */
enum weir_char_class {
    WEIR_CHAR_OTHER,
    WEIR_CHAR_UPPER,   /* Lu, Lt */
    WEIR_CHAR_LOWER,   /* Ll */
    WEIR_CHAR_LETTER,  /* Lm, Lo: both upper and lower for a splitting */
    WEIR_CHAR_MARK,    /* M: the same, and yet no letter */
    WEIR_CHAR_NUMBER,  /* N */
    WEIR_CHAR_SPACE,   /* White_Space but for the next two */
    WEIR_CHAR_NEWLINE, /* CR, LF */
};

struct weir_vocabulary_slot {
    uint32_t hash;
    uint32_t token; /* + 1; 0: the slot is empty */
};

struct weir_vocabulary {
    void *map;
    size_t map_bytes;
    enum weir_vocabulary_kind kind;
    uint32_t slot_mask, longest;
    const struct weir_vocabulary_slot *slots;
    const uint32_t *offsets; /* of the tokens, in the order of their merging */
    const char *bytes;
    const uint16_t *block_of;      /* of each 256 code points */
    const unsigned char *class_of; /* blocks of 256 */
};

#define WEIR_NO_TOKEN UINT32_MAX

/* The rank of the token of these bytes, or WEIR_NO_TOKEN. */
uint32_t weir__vocabulary_find(const struct weir_vocabulary *v, const char *p, size_t n);

/* The bytes of the first piece of a text that isn't empty; at least 1. */
size_t weir__split(const struct weir_vocabulary *v, const char *p, const char *end);

/* The tokens of a piece of at most WEIR_PIECE_MAX bytes. */
enum { WEIR_PIECE_MAX = 65536 };

uint32_t weir__merge(const struct weir_vocabulary *v, const char *p, uint32_t n);

#endif
