/* gather.h - a call for a whole answer that goes to its provider as a stream, so that it can be cut
 * where a budget ends (Route.spec.wholeAsStream). The tap puts the answer together. */
#ifndef WEIR_PROXY_GATHER_H
#define WEIR_PROXY_GATHER_H

struct weir_exchange;

/* Decides for the call and all of its targets: sets x->gathers and makes x->call a stream, or
 * leaves both. After the candidates are listed, before they are judged and translated. */
void weir_gather_decide(struct weir_exchange *x);

#endif
