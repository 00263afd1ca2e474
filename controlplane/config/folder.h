/* folder.h - the manifests of a policy folder as texts. Blocks: for pool threads. */
#ifndef WEIR_CONFIG_FOLDER_H
#define WEIR_CONFIG_FOLDER_H

#include "controlplane/config/source.h"

enum {
    WEIR_CONFIG_MAX_FILES = 4096,
    WEIR_CONFIG_MAX_TOTAL_BYTES = 64 << 20,
};

struct weir__config_texts {
    struct weir_policy_text *list; /* sorted by file; the built-in ones first */
    size_t n;
    char fingerprint[65];   /* of all names and bytes */
    uint64_t device, inode; /* of the watched folder; 0: there is none */
    bool missing;           /* the path isn't there */
    bool vanished;          /* a file went away in between: read again soon */
};

/* Everything lives in arena. What can't be read is added to errors; WEIR_EINVAL when something was.
 */
WEIR_NODISCARD int weir__config_load(const struct weir_policy_source_options *o,
                                     struct weir_arena *arena, struct weir_data_errors *errors,
                                     struct weir__config_texts *out);

/* The folder to watch for path, in the arena: itself, or the one that its file is in. */
const char *weir__config_watch_path(const char *path, struct weir_arena *arena);

#endif
