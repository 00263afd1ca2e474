/* render.h - messages of config.proto back into YAML, JSON and their packed form. Deterministic:
 * the same message always gives the same bytes. */
#ifndef WEIR_DATA_RENDER_H
#define WEIR_DATA_RENDER_H

#include "base/arena.h"
#include "data/schema.h"

enum { WEIR_VERSION_CHARS = 32 }; /* hex digits of a version; 128 bits of a SHA-256 */

/* A whole object with apiVersion and kind. WEIR_ELIMIT: larger than out may become. */
WEIR_NODISCARD int weir_render_yaml(const ProtobufCMessage *object, struct weir_buf *out);
/* One JSON object; indent 0: on one line. */
WEIR_NODISCARD int weir_render_json(const ProtobufCMessage *object, unsigned indent,
                                    struct weir_buf *out);

/* 90000 -> "1m30s"; 12500000000 -> "12.5". Appended. */
void weir_render_duration(int64_t ms, struct weir_buf *out);
void weir_render_usd(int64_t nano_usd, struct weir_buf *out);

/* Packed, in the arena. */
struct weir_str weir_message_pack(struct weir_arena *arena, const ProtobufCMessage *m);
/* The version of an object: the start of the SHA-256 over type, name and packed body, in hex. */
void weir_message_version(struct weir_str type, struct weir_str name, struct weir_str body,
                          char out[WEIR_VERSION_CHARS + 1]);

#endif
