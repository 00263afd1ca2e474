/* replay.c - runs a fuzz target once over every file of a kept corpus, as an ordinary test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    size_t n = 0, cap = 1 << 20;
    uint8_t *data = malloc(cap);

    if (!f || !data) {
        fprintf(stderr, "cannot read %s\n", path);
        return 1;
    }
    n = fread(data, 1, cap, f);
    fclose(f);
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
    struct dirent *e;
    int count = 0, bad = 0;

    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    while (dir && (e = readdir(dir))) {
        char path[4096];

        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        bad += replay_file(path);
        count++;
    }
    if (dir)
        closedir(dir);
    printf("%d inputs replayed\n", count);
    return bad != 0;
}
