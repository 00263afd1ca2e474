/* stage_receive.c - the whole body, bounded; the server de-chunks and decompresses it. */
#include "dataplane/proxy/answer.h"
#include "dataplane/proxy/options.h"
#include "dataplane/proxy/worker.h"

enum weir_verdict weir_stage_receive(struct weir_exchange *x)
{
    if (x->endpoint.operation == WEIR_OP_MODELS)
        return weir_answer_models(x);
    weir_http_req_collect_body(x->req, (uint64_t)x->worker->options->max_body_bytes);
    return WEIR_V_WAIT;
}

void weir_exchange_on_body(struct weir_http_req *req, struct weir_str body)
{
    struct weir_exchange *x = weir_http_req_user(req);

    if (!x)
        return;
    x->body = body;
    x->request_bytes = (int64_t)body.n;
    weir_pipeline_resume(x);
}
