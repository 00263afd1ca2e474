/* file.h - whole small files, read with a bound and replaced atomically. Blocking: never on a data
 * loop. */
#ifndef WEIR_BASE_FILE_H
#define WEIR_BASE_FILE_H

#include "base/buf.h"

/* Appends the file's bytes to out. WEIR_ENOTFOUND, WEIR_ELIMIT (larger than out's room), WEIR_EIO.
 */
WEIR_NODISCARD int weir_file_read(const char *path, struct weir_buf *out);

/* Writes beside path, then renames, so that a reader sees the old or the new content whole.
 * fsync: the bytes and the name are on disk when it returns. WEIR_EIO with errno set. */
WEIR_NODISCARD int weir_file_replace(const char *path, struct weir_str bytes, unsigned mode,
                                     bool fsync);

/* A number that changes when the file, its content or its rights do; 0: it can't be looked at. */
uint64_t weir_file_state(const char *path);

/* Like mkdir -p; fine when it exists. WEIR_EIO with errno set. */
WEIR_NODISCARD int weir_file_mkdirs(const char *path, unsigned mode);

#endif
