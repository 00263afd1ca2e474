/* fuzz_args.c - command lines of weir: refused with a reason, or a command with as many words as it
 * takes. A line of the input is an argument. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "controlplane/cli/cli.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_WORDS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_cli cli = {.arena = weir_arena_create(NULL), .out = stdout, .err = stderr};
    char *text = weir_zalloc(size + 1), *save = NULL, prog[] = "weir";
    char *argv[MAX_WORDS + 2] = {prog};
    const char *error = NULL;
    int argc = 1;

    memcpy(text, data, size);
    for (char *w = strtok_r(text, "\n", &save); w && argc <= MAX_WORDS;
         w = strtok_r(NULL, "\n", &save))
        argv[argc++] = w;
    if (weir__cli_parse(&cli, argc, argv, &error)) {
        WEIR_ASSERT(error && *error);
    } else {
        WEIR_ASSERT(cli.command && cli.file_count <= WEIR_CLI_MAX_FILES);
        WEIR_ASSERT(cli.flags[WEIR_FLAG_HELP] || (cli.arg_count >= cli.command->min_args &&
                                                  cli.arg_count <= cli.command->max_args));
    }
    free(text);
    weir_arena_destroy(cli.arena);
    return 0;
}
