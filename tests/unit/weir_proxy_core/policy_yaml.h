/* policy_yaml.h - a compiled policy from manifests, as the control plane would send it. */
#ifndef WEIR_TEST_POLICY_YAML_H
#define WEIR_TEST_POLICY_YAML_H

#include "data/decode.h"
#include "dataplane/proxy/policy.h"

/* The policy in the arena's messages; NULL: first (512 bytes) says what is wrong with it. */
static const struct weir_policy *policy_of(struct weir_arena *a, const char *yaml, char first[512])
{
    struct weir_data_errors bad = {.arena = a};
    struct weir_data_file file;
    struct weir_policy_bytes bytes = {.revision = "r1"};
    struct weir_policy_resource *list;
    struct weir_control_errors *errors = weir_control_errors_create();
    const struct weir_policy *p = NULL;

    assert_int_equal(weir_data_decode(a, WEIR_STR("policy.yaml"), WEIR_DATA_YAML, weir_str_of(yaml),
                                      &bad, &file),
                     WEIR_OK);
    list = weir_arena_zalloc(a, file.count * sizeof *list);
    for (size_t i = 0; i < file.count; i++) {
        const struct weir_data_object *o = &file.objects[i];
        size_t n = protobuf_c_message_get_packed_size(o->message);
        char *body = weir_arena_alloc(a, n);

        protobuf_c_message_pack(o->message, (uint8_t *)body);
        list[i] =
            (struct weir_policy_resource){.type = o->kind->name,
                                          .name = weir_arena_printf(a, "%s/%s", o->ns, o->name),
                                          .version = "1",
                                          .body = {body, n}};
    }
    bytes.resources = list;
    bytes.count = file.count;
    first[0] = '\0';
    if (weir_policy_compile(&bytes, errors, &p) != WEIR_OK)
        weir_control_errors_first(errors, first, 512);
    weir_control_errors_destroy(errors);
    return p;
}

#endif
