/* gemini_array.c - see gemini_array.h. */
#include "dataplane/llm/gemini_array.h"

enum { MAX_EVENT_BYTES = 64 << 20 };

void weir_gemini_array_init(struct weir_gemini_array *g)
{
    weir_sse_init(&g->sse, MAX_EVENT_BYTES);
    g->begun = false;
}

void weir_gemini_array_fini(struct weir_gemini_array *g)
{
    weir_sse_fini(&g->sse);
}

int weir_gemini_array_feed(struct weir_gemini_array *g, struct weir_str events,
                           weir_llm_sink_fn *sink, void *arg)
{
    struct weir_sse_event e;
    int rc;

    weir_sse_feed(&g->sse, events.p, events.n);
    while ((rc = weir_sse_next(&g->sse, &e)) == WEIR_OK) {
        if (!e.data.p)
            continue;
        sink(arg, g->begun ? ",\r\n" : "[", g->begun ? 3 : 1);
        sink(arg, e.data.p, e.data.n);
        g->begun = true;
    }
    return rc == WEIR_EAGAIN ? WEIR_OK : rc;
}

void weir_gemini_array_end(struct weir_gemini_array *g, weir_llm_sink_fn *sink, void *arg)
{
    sink(arg, g->begun ? "\n]\n" : "[]\n", 3);
    g->begun = true;
}
