/* config_mem.h - what the tests of weir_config share: a folder of their own, and texts in memory.
 */
#ifndef TESTS_CONFIG_MEM_H
#define TESTS_CONFIG_MEM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "data/decode.h"

#define HEAD "apiVersion: weir.dev/v1alpha1\n"
#define AGENT(name, spec) HEAD "kind: Agent\nmetadata: {name: " name "}\nspec: " spec "\n"
#define PROVIDER(name, spec) HEAD "kind: Provider\nmetadata: {name: " name "}\nspec: " spec "\n"
#define ROUTE(name, spec) HEAD "kind: Route\nmetadata: {name: " name "}\nspec: " spec "\n"
#define BUDGET(name, spec) HEAD "kind: Budget\nmetadata: {name: " name "}\nspec: " spec "\n"
#define TO(provider) "{groups: [{targets: [{provider: " provider "}]}]}"
#define K1 "1111111111111111111111111111111111111111111111111111111111111111"

static inline char *error_text(const struct weir_data_errors *errors)
{
    struct weir_buf b;
    char *text;

    weir_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < errors->count; i++) {
        weir_data_error_text(&errors->list[i], &b);
        weir_buf_addz(&b, "\n");
    }
    text = weir_strdup(weir_buf_str(&b));
    weir_buf_fini(&b);
    return text;
}

static inline void folder_make(char path[64])
{
    (void)snprintf(path, 64, "/tmp/weir-config-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline void folder_remove(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char full[512];

    while (d && (e = readdir(d)) != NULL) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        assert_true((size_t)snprintf(full, sizeof full, "%s/%s", path, e->d_name) < sizeof full);
        if (unlink(full))
            folder_remove(full);
    }
    if (d)
        closedir(d);
    (void)rmdir(path);
}

static inline void file_put(const char *folder, const char *name, const char *text)
{
    char full[512];

    (void)snprintf(full, sizeof full, "%s/%s", folder, name);
    assert_int_equal(weir_file_replace(full, weir_str_of(text), 0644, false), WEIR_OK);
}

static inline char *file_get(const char *folder, const char *name)
{
    struct weir_buf b;
    char full[512], *text = NULL;

    (void)snprintf(full, sizeof full, "%s/%s", folder, name);
    weir_buf_init(&b, 1 << 20);
    if (weir_file_read(full, &b) == WEIR_OK)
        text = weir_strdup(weir_buf_str(&b));
    weir_buf_fini(&b);
    return text;
}

#endif
