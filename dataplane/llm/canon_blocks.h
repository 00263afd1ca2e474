/* canon_blocks.h - streams of blocks of which one is open at a time, as Anthropic's and Bedrock's:
 * what comes for a later one waits until the blocks before it have ended. */
#ifndef WEIR_LLM_CANON_BLOCKS_H
#define WEIR_LLM_CANON_BLOCKS_H

#include "dataplane/llm/canon_event.h"

/* How a dialect writes them. Hidden reasoning opens when it is whole, and has no pieces; a
 * signature is gathered, whole when its block closes. */
struct weir_canon_blocks {
    void (*start)(struct weir_canon_writer *w);
    void (*open)(struct weir_canon_writer *w, struct weir_canon_answer_part *p); /* p->index */
    void (*piece)(struct weir_canon_writer *w, struct weir_canon_answer_part *p,
                  struct weir_str text); /* never empty */
    void (*close)(struct weir_canon_writer *w, struct weir_canon_answer_part *p);
    void (*end)(struct weir_canon_writer *w);
};

void weir_canon_write_blocks(struct weir_canon_writer *w, const struct weir_canon_event *e,
                             const struct weir_canon_blocks *blocks);

#endif
