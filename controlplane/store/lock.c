/* One writer for the databases of a folder. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "controlplane/store/store.h"

int weir_store_lock(const char *folder, int *out)
{
    char path[4096];
    int fd;

    if (snprintf(path, sizeof path, "%s/store.lock", folder) >= (int)sizeof path)
        return WEIR_EINVAL;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return WEIR_EIO;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        return WEIR_EEXIST;
    }
    *out = fd;
    return WEIR_OK;
}
