/* schema_table.h - the generated tables, for schema.c and what schema_gen.c writes. */
#ifndef WEIR_DATA_SCHEMA_TABLE_H
#define WEIR_DATA_SCHEMA_TABLE_H

#include "data/schema.h"

extern const struct weir_schema_message weir__schema_messages[];
extern const size_t weir__schema_message_count;
extern const struct weir_schema_enum weir__schema_enums[];
extern const size_t weir__schema_enum_count;

#endif
