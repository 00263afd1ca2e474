/* process.h - what processes have used so far: CPU time of all their threads, and memory. */
#ifndef WEIR_BENCH_PROCESS_H
#define WEIR_BENCH_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_use {
    int64_t cpu_ns;
    int64_t private_kib, resident_kib; /* -1: not readable by this user */
};

/* The sum over `pids`; those that have ended count nothing. */
void process_measure(const pid_t *pids, size_t n, struct process_use *out);

#endif
