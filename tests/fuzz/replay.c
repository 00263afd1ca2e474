/* replay.c - runs a fuzz target once over every file of a kept corpus, as an ordinary test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    enum { MOST = 1 << 20 };

    FILE *f = fopen(path, "rb");
    uint8_t *data;
    size_t n;

    if (!f) {
        fprintf(stderr, "cannot read %s\n", path);
        return 1;
    }
    data = calloc(1, MOST);
    n = data ? fread(data, 1, MOST, f) : 0;
    fclose(f);
    if (data)
        LLVMFuzzerTestOneInput(data, n);
    free(data);
    return data ? 0 : 1;
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
