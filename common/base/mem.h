/* mem.h - heap allocation that never returns NULL: real exhaustion ends the process with a log
 * line. Callers cap every size that a peer controls before they allocate. */
#ifndef WEIR_BASE_MEM_H
#define WEIR_BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

#include "base/str.h"

void *weir_alloc(size_t n);  /* uninitialised */
void *weir_zalloc(size_t n); /* zeroed */
void *weir_realloc(void *p, size_t n);
char *weir_strdup(struct weir_str s); /* NUL-terminated copy; free() it */

/* Overwrites in a way that the compiler keeps: for secrets before they are freed. */
void weir_wipe(void *p, size_t n);

#define WEIR_NEW(type) ((type *)weir_zalloc(sizeof(type)))
#define WEIR_CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
