/* edit.h - one object's part of a manifest replaced, added or removed, the rest kept byte for byte
 * where the file's form allows it. Pure. */
#ifndef WEIR_CONFIG_EDIT_H
#define WEIR_CONFIG_EDIT_H

#include "controlplane/config/policy_set.h"

/* t's text with object m behind it. */
struct weir_str weir__edit_append(struct weir_arena *arena, const struct weir_policy_text *t,
                                  const ProtobufCMessage *m);

/* t's text with its object number at replaced by m; NULL: removed. file is what t decodes to. A
 * YAML document that holds this object alone is exchanged, its leading comments kept; else (JSON,
 * lists) the whole file is written anew. */
struct weir_str weir__edit_replace(struct weir_arena *arena, const struct weir_policy_text *t,
                                   const struct weir_data_file *file, size_t at,
                                   const ProtobufCMessage *m);

#endif
