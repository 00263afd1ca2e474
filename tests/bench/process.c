/* process.c - see process.h. */
#include "process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The scheduler's own count of nanoseconds, which unlike utime and stime is not in ticks. */
static int64_t thread_ns(pid_t pid, long tid)
{
    char path[96];
    long long ns = 0;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/task/%ld/schedstat", (int)pid, tid);
    f = fopen(path, "re");
    if (!f)
        return -1;
    if (fscanf(f, "%lld", &ns) != 1)
        ns = 0;
    (void)fclose(f);
    return ns;
}

static int64_t ticks_ns(pid_t pid)
{
    char path[64], line[1024], *after;
    unsigned long user = 0, system = 0;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return 0;
    if (fgets(line, sizeof line, f) && (after = strrchr(line, ')')) != NULL)
        (void)sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                     &system);
    (void)fclose(f);
    return (int64_t)(user + system) * (1000000000 / sysconf(_SC_CLK_TCK));
}

static int64_t process_ns(pid_t pid)
{
    char path[64];
    struct dirent *e;
    int64_t sum = 0;
    DIR *d;

    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    d = opendir(path);
    if (!d)
        return 0;
    while ((e = readdir(d))) {
        int64_t ns;

        if (e->d_name[0] == '.')
            continue;
        ns = thread_ns(pid, strtol(e->d_name, NULL, 10));
        if (ns < 0 || (ns == 0 && access("/proc/self/schedstat", F_OK))) {
            sum = ticks_ns(pid);
            break;
        }
        sum += ns;
    }
    (void)closedir(d);
    return sum;
}

static void add_memory(pid_t pid, struct process_use *out)
{
    char path[64], line[256];
    int64_t own = 0, resident = 0;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    f = fopen(path, "re");
    if (!f) {
        out->private_kib = out->resident_kib = -1;
        return;
    }
    while (fgets(line, sizeof line, f)) {
        long long kib;

        if (sscanf(line, "Private_Dirty: %lld kB", &kib) == 1)
            own += kib;
        else if (sscanf(line, "Rss: %lld kB", &kib) == 1)
            resident += kib;
    }
    (void)fclose(f);
    if (out->private_kib < 0)
        return;
    out->private_kib += own;
    out->resident_kib += resident;
}

void process_measure(const pid_t *pids, size_t n, struct process_use *out)
{
    *out = (struct process_use){0};
    for (size_t i = 0; i < n; i++) {
        out->cpu_ns += process_ns(pids[i]);
        add_memory(pids[i], out);
    }
}
