/* child.h - one supervised program of `weir up`: started, watched, restarted with a growing pause,
 * ended in order.
 *
 *   STOPPED -> RUNNING -> (exit) WAITING -> RUNNING ... ; on stop: RUNNING -> STOPPING -> STOPPED
 *
 * Children stand in process groups of their own, so that Ctrl-C reaches only `weir up`, and die
 * with it by SIGTERM. */
#ifndef WEIR_CLI_CHILD_H
#define WEIR_CLI_CHILD_H

#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

enum weir_child_state {
    WEIR_CHILD_STOPPED,
    WEIR_CHILD_RUNNING,
    WEIR_CHILD_WAITING,
    WEIR_CHILD_STOPPING
};

enum { WEIR_CHILD_MAX_ARGS = 32 };

struct weir_child {
    const char *name;
    const char *path;                          /* the program */
    const char *argv[WEIR_CHILD_MAX_ARGS + 1]; /* argv[0] included, NULL at the end */
    const char *log_path; /* takes its standard output and error; begun anew at the first start */
    enum weir_child_state state;
    pid_t pid;
    int64_t started_ms;  /* monotonic */
    int64_t restart_ms;  /* when WAITING: not before */
    int64_t pause_ms;    /* before the next restart */
    int64_t deadline_ms; /* when STOPPING: killed then */
    int last_status;     /* as waitpid gave it */
};

/* WEIR_EIO with errno set: no process, or the log can't be opened. */
WEIR_NODISCARD int weir__child_start(struct weir_child *c, int64_t now_ms);
/* Asks it to end; kills it after grace_ms (weir__child_tick). */
void weir__child_stop(struct weir_child *c, int64_t grace_ms, int64_t now_ms);
void weir__child_kill(struct weir_child *c);
/* Its process ended with this status: STOPPED when that was asked for, else WAITING. */
void weir__child_exited(struct weir_child *c, int status, int64_t now_ms);
/* True: a restart is due. Kills an overdue one. */
bool weir__child_tick(struct weir_child *c, int64_t now_ms);

#endif
