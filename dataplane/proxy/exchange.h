/* exchange.h - one request and all that belongs to it, from accept to record.
 *
 * It lives in the request's arena on one worker's loop: made when the head is complete, gone with
 * the request once its record is made and its answer is flushed. Stages fill it in order; the
 * groups below are named after the stage that sets them. */
#ifndef WEIR_PROXY_EXCHANGE_H
#define WEIR_PROXY_EXCHANGE_H

#include "common/http/client.h"
#include "common/http/server.h"
#include "common/net/wheel.h"
#include "dataplane/budget/holder.h"
#include "dataplane/llm/llm.h"
#include "dataplane/llm/translate.h"
#include "dataplane/proxy/cache.h"
#include "dataplane/proxy/caller.h"
#include "dataplane/proxy/health.h"
#include "dataplane/proxy/pipeline.h"
#include "dataplane/proxy/policy.h"
#include "dataplane/proxy/turns.h"
#include "dataplane/proxy/tokens.h"
#include "dataplane/telemetry/record.h"
#include "pricing/pricing.h"

struct weir_gemini_array;
struct weir_worker;

/* Bounds of one call, so that a policy can't make it unbounded. */
enum {
    WEIR_MAX_CANDIDATES = 64,
    WEIR_MAX_ATTEMPTS = 16,
    WEIR_MAX_WHOLE_BYTES = 256 << 10, /* an answer up to this is sent in one piece, with its cost */
};

/* A target that this call can be sent to, with the names and prices that hold there. */
struct weir_candidate {
    const struct weir_policy_provider *provider;
    enum weir_dialect dialect;             /* in which it gets the call */
    struct weir_str model;                 /* as the provider knows it */
    const struct weir_policy_model *entry; /* in its provider's list; NULL: not listed */
    const struct weir_price *price;        /* NULL: unknown */
    int64_t max_output_tokens;             /* of all choices together */
    int64_t flat_nano_usd;                 /* what a call that passes costs at most; -1: unknown */
    int64_t unit_nano_usd; /* what a unit of it costs, of which its answer tells the number; 0 */
    int64_t choice_limit;  /* of one choice; told to the provider when a hold relies on it */
    bool shows_all; /* no output is billed that the answer doesn't show: holds can grow with it */
    int64_t weight;
    size_t group;
    uint64_t health_key; /* of the worker's targets */
    unsigned tries;
};

/* One counter that the call is charged to. */
struct weir_charge {
    const struct weir_policy_budget *budget;
    struct weir_str scope;
    int64_t spent; /* by the attempts that have ended, in the budget's unit */
    int64_t held;  /* at the end of the call, for its record */
};

/* One try at one target. */
struct weir_attempt {
    const struct weir_candidate *candidate;
    int status;        /* 0: no answer */
    const char *error; /* NULL: it went well */
    int64_t started_us, ended_us;
    int64_t cost_nano_usd;
    struct weir_usage usage; /* nothing billed: zeros */
    bool billed, reused_connection;
    bool stale;                 /* it met a kept connection that was closed already */
    struct weir_health *health; /* of its target; NULL: judged, or not to be */
    bool probe;                 /* of a half-open circuit */
    bool judged;                /* the target is known to answer */
};

struct weir_exchange {
    struct weir_worker *worker;
    struct weir_http_req *req;
    struct weir_arena *arena;
    struct weir_link link; /* in the worker's list of open exchanges */
    size_t stage;
    bool client_gone;
    bool drains; /* its answer is read to its end, for nobody but the bill (drain.h) */
    bool done;   /* the server is done with the request */
    int64_t drained_bytes;
    int64_t started_us; /* monotonic */
    int64_t started_wall_ms;
    char id[40]; /* "req_" and hex */

    /* identify */
    const struct weir_policy *policy;  /* a reference, dropped by record; NULL: none yet */
    struct weir_llm_endpoint endpoint; /* the client's */
    const struct weir_policy_key *key;
    const struct weir_policy_agent *agent;
    bool wants_array;           /* its stream is to be one JSON array (Google's API) */
    struct weir_str credential; /* what the caller presented, for pass-through; never recorded */
    size_t agent_slot;          /* of the worker's counters, if it entered */
    bool entered;               /* counts in its agent's concurrency */

    /* receive, decode */
    struct weir_str body; /* absent once no attempt can need it any more */
    int64_t request_bytes;
    struct weir_llm_call call; /* its strings are the arena's, not the body's */
    struct weir_str model;     /* what is routed: the call's, or what a budget put in its place */

    /* route */
    const struct weir_policy_route *route;
    const struct weir_policy_route *edited_for; /* its edits are in the body; NULL: none */
    bool gathers; /* asked for as a stream (call.stream), given to the client as a document */
    struct weir_str routed_model; /* what the route's alias for it says, or the same */
    struct weir_candidate *candidates;
    size_t candidate_count;
    /* For candidates of other dialects, by these; `to` NONE: not made. */
    struct weir_llm_translation translations[WEIR_DIALECT_ALL];

    /* cache */
    bool from_cache;                 /* it was answered from there */
    bool keeping;                    /* the answer is gathered for it, in `kept` */
    struct weir_cache_key cache_key; /* if so */
    struct weir_buf kept;
    struct weir_str cached_from; /* a hit: the provider whose answer was given again */

    /* hold */
    struct weir_caller caller;
    struct weir_admission admission;
    struct weir_charge charges[WEIR_ADMIT_PARTS_MAX];
    size_t charge_count;
    int64_t held_output_tokens; /* so much output is covered by the holds */
    int64_t next_output_tokens; /* and so much when the extension that is asked for is granted */
    bool held, extending, extension_refused;
    unsigned clamps;       /* how often the limit of the output was lowered to what is left */
    unsigned downgrades;   /* how often a budget put a cheaper model in its place */
    int64_t wait_until_ms; /* in a budget's queue; 0: not yet */
    bool bounded;          /* a hard budget relies on a limit of the output */
    struct weir_admit_failure shortage; /* why an admission or extension was refused */
    const struct weir_charge *refused;  /* the counter that refused; NULL: none */

    /* dispatch */
    struct weir_candidate *candidate; /* of the present attempt */
    struct weir_str left_out;         /* fields that its server refuses, as "a, b"; absent: none */
    struct weir_turn turn;            /* at its provider */
    struct weir_http_call *upstream;  /* NULL between attempts */
    struct weir_attempt *attempts;    /* so many as the call has needed; the arena's */
    size_t attempt_count, attempt_room;
    size_t stale_count; /* of them, those that met a kept connection which was closed already */
    bool sent;          /* a request may have reached a provider */
    char span_id[17];   /* of this call, when its provider was told it; "": not yet made */
    bool body_sent;     /* wholly, in the present attempt */
    bool unsent;        /* cancelled before a byte of the present attempt left */
    struct weir_wheel_timer
        timer; /* the pause before a retry, the end of holding back, or silence */
    struct weir_tokens_waiter awaits_token;
    const struct weir_cred_token *token; /* of the request that is being made; borrowed */
    const char *token_problem;
    const struct weir_http_call_head *response; /* only while relay begins */

    /* relay */
    bool relaying; /* an attempt's answer is on its way to the client */
    bool answered; /* the client has had the first byte of it */
    bool event_stream;
    bool slow_client, awaiting_hold; /* either pauses the upstream */
    int64_t last_sent_ms;            /* to the client; monotonic */
    struct weir_llm_tap *tap;
    struct weir_llm_echo *echo;
    struct weir_gemini_array *array; /* what the client's stream is made into; or NULL */
    struct weir_buf held_back;       /* of the answer, while the client has had nothing */
    struct weir_http_header *head;   /* of the answer */
    size_t head_count;

    /* settle, record */
    enum weir_outcome outcome;
    int status;
    const char *error_code, *error_detail; /* what the client was told; NULL: none */
    int64_t cost_nano_usd;                 /* of all attempts */
    int64_t first_byte_us, first_token_us; /* monotonic; 0: none */
    uint64_t response_bytes;               /* of its body */
};

/* Makes the exchange of a request and runs its first stage. */
void weir_exchange_begin(struct weir_worker *w, struct weir_http_req *req);

/* The server's callbacks for it. */
void weir_exchange_on_body(struct weir_http_req *req, struct weir_str body);
void weir_exchange_on_abort(struct weir_http_req *req, int rc);
void weir_exchange_on_writable(struct weir_http_req *req);
void weir_exchange_on_done(struct weir_http_req *req);

/* The whole answer went well: it is kept if the call's route says so (stage_cache.c). */
void weir_cache_answered(struct weir_exchange *x);

/* Does the client get a stream? Only once the answer's head is there. */
bool weir_exchange_streams(const struct weir_exchange *x);

/* The last of what held on to the exchange lets go: it is out of its worker's list, and its memory
 * gone with the request's. */
void weir_exchange_end(struct weir_exchange *x);

/* Does the present candidate speak another dialect than the client? */
bool weir_exchange_is_translated(const struct weir_exchange *x);
/* The server behind a target whose differences count for this call; NULL: none. */
const struct weir_server *weir_exchange_server(const struct weir_exchange *x,
                                               const struct weir_candidate *c);
/* May the target refuse something that the call has? */
bool weir_exchange_is_fitted(const struct weir_exchange *x, const struct weir_candidate *c);

/* Gives the request's body back as soon as it is sent and the client has an answer's beginning: a
 * stream may be silent for long, and its request large. */
void weir_exchange_drop_body(struct weir_exchange *x);

/* Ends whatever the exchange waits for (upstream call, admission, timer), without callbacks. */
void weir_exchange_stop_waiting(struct weir_exchange *x);

#endif
