/* control.h - weir-control as a whole: joins policy, streams, ledger, records and API. */
#ifndef WEIR_CONTROL_CONTROL_H
#define WEIR_CONTROL_CONTROL_H

#include "controlplane/main/options.h"

/* Runs until a signal ends it. Returns the exit status of the program. */
int weir_control_run(const struct weir_control_options *o);

#endif
