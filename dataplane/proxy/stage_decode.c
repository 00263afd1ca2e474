/* stage_decode.c - what does the call ask for? Its own dialect's codec reads it; the bytes stay. */
#include "dataplane/proxy/answer.h"

enum weir_verdict weir_stage_decode(struct weir_exchange *x)
{
    struct weir_err err = {0};

    if (x->endpoint.operation == WEIR_OP_STORED) {
        x->call = (struct weir_llm_call){
            .dialect = x->endpoint.dialect, .model = WEIR_STR(""), .max_output_tokens = -1, .n = 1};
        x->model = x->call.model;
        return WEIR_V_CONTINUE;
    }
    if (x->endpoint.operation == WEIR_OP_PASS) {
        if (weir_llm_read_passed(weir_http_req_header(x->req, WEIR_STR("content-type")), x->body,
                                 x->arena, &x->call, &err))
            return weir_answer_error(x, &err);
        x->call.model = x->call.model.p ? weir_arena_copy(x->arena, x->call.model) : WEIR_STR("");
        x->model = x->call.model;
        return WEIR_V_CONTINUE;
    }
    if (weir_llm_decode(&x->endpoint, x->body, x->arena, &x->call, &err))
        return weir_answer_error(x, &err);
    x->call.model = weir_arena_copy(x->arena, x->call.model);
    x->model = x->call.model;
    x->call.user = weir_arena_copy(x->arena, x->call.user);
    x->call.session = weir_arena_copy(x->arena, x->call.session);
    return WEIR_V_CONTINUE;
}
