/* file.c - see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

int weir_file_read(const char *path, struct weir_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = WEIR_OK;
    size_t start = out->n;

    if (fd < 0)
        return errno == ENOENT ? WEIR_ENOTFOUND : WEIR_EIO;
    for (;;) {
        char piece[16384];
        ssize_t n = read(fd, piece, sizeof piece);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = WEIR_EIO;
        else if (n > 0)
            rc = weir_buf_add(out, piece, (size_t)n);
        if (n <= 0 || rc)
            break;
    }
    close(fd);
    if (rc)
        out->n = start;
    return rc;
}

static int write_all(int fd, struct weir_str s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WEIR_EIO;
        s.p += n;
        s.n -= (size_t)n;
    }
    return WEIR_OK;
}

static int sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    int fd, rc;

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return WEIR_EIO;
    rc = fsync(fd) < 0 ? WEIR_EIO : WEIR_OK;
    close(fd);
    return rc;
}

int weir_file_replace(const char *path, struct weir_str bytes, unsigned mode, bool sync)
{
    char beside[PATH_MAX];
    int fd, rc;

    if (snprintf(beside, sizeof beside, "%s.%d.tmp", path, (int)getpid()) >= (int)sizeof beside) {
        errno = ENAMETOOLONG;
        return WEIR_EIO;
    }
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return WEIR_EIO;
    rc = write_all(fd, bytes);
    if (rc == WEIR_OK && sync && fsync(fd) < 0)
        rc = WEIR_EIO;
    if (close(fd) < 0)
        rc = WEIR_EIO;
    if (rc == WEIR_OK && rename(beside, path) < 0)
        rc = WEIR_EIO;
    if (rc != WEIR_OK) {
        int saved = errno;

        unlink(beside);
        errno = saved;
        return rc;
    }
    return sync ? sync_folder_of(path) : WEIR_OK;
}

int weir_file_mkdirs(const char *path, unsigned mode)
{
    char part[PATH_MAX];
    size_t n = strlen(path);

    if (n == 0 || n >= sizeof part) {
        errno = n ? ENAMETOOLONG : EINVAL;
        return WEIR_EIO;
    }
    memcpy(part, path, n + 1);
    for (char *at = part + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(part, (mode_t)mode) < 0 && errno != EEXIST)
            return WEIR_EIO;
        *at = '/';
    }
    return mkdir(part, (mode_t)mode) < 0 && errno != EEXIST ? WEIR_EIO : WEIR_OK;
}

uint64_t weir_file_state(const char *path)
{
    struct stat st;
    int64_t parts[6];

    if (stat(path, &st))
        return 0;
    parts[0] = (int64_t)st.st_ino;
    parts[1] = (int64_t)st.st_size;
    parts[2] = st.st_mtim.tv_sec;
    parts[3] = st.st_mtim.tv_nsec;
    parts[4] = st.st_ctim.tv_sec; /* rights may be mended without a new content */
    parts[5] = st.st_ctim.tv_nsec;
    return weir_hash64((struct weir_str){(const char *)parts, sizeof parts}, 1) | 1;
}
