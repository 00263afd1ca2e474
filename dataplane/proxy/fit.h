/* fit.h - which targets can take this call: not those whose model lacks what it has, and rather
 * those whose window it fits. */
#ifndef WEIR_PROXY_FIT_H
#define WEIR_PROXY_FIT_H

#include "dataplane/proxy/exchange.h"

/* What the call has; bit f: the Weir__V1__Feature f. */
uint32_t weir_fit_features(const struct weir_llm_call *call);

/* Does the call fit a window of so many tokens, by estimate? 0: the window is not known. A call
 * with files always does, for nobody knows here what they come to. */
bool weir_fit_window(const struct weir_llm_call *call, int64_t context_tokens);

/* Leaves out candidates that can't take the call; the others keep their order. WEIR_EINVAL: that
 * would be all of them, and *err (400) says for want of what. */
WEIR_NODISCARD int weir_fit_candidates(struct weir_exchange *x, struct weir_err *err);

#endif
