/* Policy of any content, as a control plane could send it: compiled or refused, then looked into.
 * The input is a row of resources: a byte for the type, two for the length, the packed message. */
#include <stddef.h>
#include <stdint.h>

#include "dataplane/proxy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RESOURCES = 24 };

static const char *const types[] = {"Provider", "Agent",     "Route",    "Budget",
                                    "Secret",   "IssuedKey", "PriceList"};

static size_t split(const uint8_t *data, size_t size, struct weir_policy_resource out[RESOURCES])
{
    static const char *const names[] = {"default/a", "default/b", "c"};
    size_t n = 0;

    while (size >= 3 && n < RESOURCES) {
        size_t len = (size_t)data[1] | (size_t)data[2] << 8;

        if (len > size - 3)
            len = size - 3;
        out[n] = (struct weir_policy_resource){.type = types[data[0] % 7],
                                               .name = names[data[0] / 7 % 3],
                                               .version = "1",
                                               .body = {(const char *)data + 3, len}};
        data += 3 + len;
        size -= 3 + len;
        n++;
    }
    return n;
}

static void look(const struct weir_policy *p)
{
    struct weir_str model = WEIR_STR("gpt-4o-mini");
    const struct weir_policy_provider *at = weir_policy_provider(p, 0);
    const struct weir_policy_key *key = weir_policy_find_key(p, WEIR_STR("weir_sk_test"));
    const struct weir_policy_route *r;
    const struct weir_policy_budget *b;

    if (at) {
        (void)weir_policy_model(at, model);
        (void)weir_prices_find(weir_policy_prices(p), at->name, model, 0);
    }
    if (!key)
        return;
    (void)weir_policy_agent_may(key->agent, model);
    for (size_t i = 0; (r = weir_policy_route(p, i)); i++)
        (void)weir_policy_selects(r->spec->callers, key->agent, model, at, NULL);
    for (size_t i = 0; (b = weir_policy_budget(p, i)); i++)
        (void)weir_policy_selects(b->spec->selector, key->agent, model, at, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_policy_resource resources[RESOURCES];
    struct weir_policy_bytes bytes = {.revision = "r1", .resources = resources};
    struct weir_control_errors *errors = weir_control_errors_create();
    const struct weir_policy *p = NULL;
    char first[512];

    bytes.count = split(data, size, resources);
    bytes.from_file = bytes.count % 2;
    if (weir_policy_compile(&bytes, errors, &p) == WEIR_OK)
        look(p);
    else
        weir_control_errors_first(errors, first, sizeof first);
    weir_policy_unref(p);
    weir_control_errors_destroy(errors);
    return 0;
}
