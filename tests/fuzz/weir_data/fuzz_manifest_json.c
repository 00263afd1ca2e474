/* Whatever the bytes are: no crash, bounded work, and what is accepted survives being rendered. */
#include <stddef.h>
#include <stdint.h>

#include "data/decode.h"
#include "data/render.h"

static void check(struct weir_arena *arena, const ProtobufCMessage *m, bool json)
{
    struct weir_data_errors errors = {.arena = arena};
    struct weir_data_file again;
    struct weir_buf b;
    int rc;

    weir_buf_init(&b, WEIR_DATA_MAX_BYTES);
    rc = json ? weir_render_json(m, 2, &b) : weir_render_yaml(m, &b);
    if (rc == WEIR_OK) {
        rc = weir_data_decode(arena, WEIR_STR("again"), json ? WEIR_DATA_JSON : WEIR_DATA_YAML,
                              weir_buf_str(&b), &errors, &again);
        WEIR_ASSERT(rc == WEIR_OK && again.count == 1);
        WEIR_ASSERT(weir_str_eq(weir_message_pack(arena, m),
                                weir_message_pack(arena, again.objects[0].message)));
    }
    weir_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_arena *arena = weir_arena_create(NULL);
    struct weir_data_errors errors = {.arena = arena};
    struct weir_data_file file;

    (void)!weir_data_decode(arena, WEIR_STR("fuzz"), WEIR_DATA_JSON,
                            (struct weir_str){(const char *)data, size}, &errors, &file);
    for (size_t i = 0; i < file.count && i < 16; i++) {
        if (!file.objects[i].message)
            continue;
        check(arena, file.objects[i].message, false);
        check(arena, file.objects[i].message, true);
    }
    weir_arena_destroy(arena);
    return 0;
}
