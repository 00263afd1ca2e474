/* process.h - what processes have used so far: CPU time of all their threads, and memory. */
#ifndef WEIR_BENCH_PROCESS_H
#define WEIR_BENCH_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_use {
    int64_t cpu_ns;
    /* Private: written pages. Clean ones are the program's file, which all its processes share;
     * whether the kernel calls them private depends on how many run. -1: not readable by this user.
     */
    int64_t private_kib, resident_kib;
};

/* The sum over `pids`; those that have ended count nothing. */
void process_measure(const pid_t *pids, size_t n, struct process_use *out);

#endif
