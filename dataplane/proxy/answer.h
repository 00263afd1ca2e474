/* answer.h - answers that Weir itself gives, in the dialect of the client.
 *
 * Each ends the exchange's way to a provider: a stage returns what these return. */
#ifndef WEIR_PROXY_ANSWER_H
#define WEIR_PROXY_ANSWER_H

#include "dataplane/proxy/exchange.h"

/* The error, its status, and what the client's retry loop needs. Notes it for the record. */
enum weir_verdict weir_answer_error(struct weir_exchange *x, const struct weir_err *err);
enum weir_verdict weir_answer_hello(struct weir_exchange *x);  /* 200, empty */
enum weir_verdict weir_answer_models(struct weir_exchange *x); /* what this caller may name */
/* 200, an estimate of the call's input tokens, which x-weir-count says that it is. */
enum weir_verdict weir_answer_count(struct weir_exchange *x);

/* For clients whose request never became an exchange: the body of the server's own error. */
void weir_answer_protocol_error(struct weir_http_req *req, unsigned status, const char *code,
                                const char *detail, struct weir_buf *body,
                                struct weir_str *content_type);

/* Adds x-weir-* headers of the exchange to hdrs; returns how many (at most WEIR_ANSWER_HEADERS).
 * with_cost: the call is settled already. */
enum { WEIR_ANSWER_HEADERS = 10 };

size_t weir_answer_headers(struct weir_exchange *x, bool with_cost, struct weir_http_header *hdrs);

/* The dialect in which a request wants to be answered. */
enum weir_dialect weir_dialect_of_request(const struct weir_http_req *req);

#endif
