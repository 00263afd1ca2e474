/* child.c - see child.h. */
#include "controlplane/cli/child.h"

#include <errno.h>
#include <stdio.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { PAUSE_MIN_MS = 500, PAUSE_MAX_MS = 30000, STEADY_MS = 60000 };

/* In the new process, up to exec: only calls that are safe there. */
static _Noreturn void become(struct weir_child *c, int log_fd, pid_t parent)
{
    sigset_t none;
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it died before the line above */
        _exit(1);
    dup2(null_fd, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    execv(c->path, (char *const *)(const void *)c->argv);
    dprintf(STDERR_FILENO, "%s: can't be started\n", c->path);
    _exit(127);
}

int weir__child_start(struct weir_child *c, int64_t now_ms)
{
    int log_fd =
        open(c->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (c->started_ms ? 0 : O_TRUNC),
             0600);
    pid_t pid, parent = getpid();

    if (log_fd < 0)
        return WEIR_EIO;
    pid = fork();
    if (pid == 0)
        become(c, log_fd, parent);
    close(log_fd);
    if (pid < 0)
        return WEIR_EIO;
    c->pid = pid;
    c->state = WEIR_CHILD_RUNNING;
    c->started_ms = now_ms;
    return WEIR_OK;
}

void weir__child_stop(struct weir_child *c, int64_t grace_ms, int64_t now_ms)
{
    if (c->state == WEIR_CHILD_RUNNING) {
        c->state = WEIR_CHILD_STOPPING;
        c->deadline_ms = now_ms + grace_ms;
        kill(c->pid, SIGTERM);
    } else if (c->state == WEIR_CHILD_WAITING) {
        c->state = WEIR_CHILD_STOPPED;
    }
}

void weir__child_kill(struct weir_child *c)
{
    if (c->state == WEIR_CHILD_RUNNING || c->state == WEIR_CHILD_STOPPING)
        kill(c->pid, SIGKILL);
}

void weir__child_exited(struct weir_child *c, int status, int64_t now_ms)
{
    c->last_status = status;
    c->pid = 0;
    if (c->state == WEIR_CHILD_STOPPING) {
        c->state = WEIR_CHILD_STOPPED;
        return;
    }
    if (!c->pause_ms || now_ms - c->started_ms > STEADY_MS)
        c->pause_ms = PAUSE_MIN_MS;
    else
        c->pause_ms = c->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : c->pause_ms * 2;
    c->restart_ms = now_ms + c->pause_ms;
    c->state = WEIR_CHILD_WAITING;
}

bool weir__child_tick(struct weir_child *c, int64_t now_ms)
{
    if (c->state == WEIR_CHILD_STOPPING && now_ms >= c->deadline_ms) {
        c->deadline_ms = INT64_MAX;
        weir__child_kill(c);
    }
    return c->state == WEIR_CHILD_WAITING && now_ms >= c->restart_ms;
}
