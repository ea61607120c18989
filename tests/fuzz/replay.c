/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target as an ordinary test: each file that is named, or stands in a folder that is
 * named, is given to it once, in order. No file at all is a failure.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* libFuzzer's, which changes the bytes: nobody calls it here. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
    (void)data;
    (void)max;
    return size;
}

static unsigned count;

static void replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    uint8_t *bytes;

    if (f == NULL || fstat(fileno(f), &st) != 0 ||
        (bytes = malloc((size_t)st.st_size + 1)) == NULL ||
        fread(bytes, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
        perror(path);
        exit(1);
    }
    fclose(f);
    fprintf(stderr, "%s\n", path); /* the last of them crashed */
    LLVMFuzzerTestOneInput(bytes, (size_t)st.st_size);
    free(bytes);
    count++;
}

int main(int argc, char **argv)
{
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        struct dirent **list;
        int n = scandir(argv[i], &list, NULL, alphasort);

        if (n < 0)
            replay(argv[i]);
        for (int k = 0; k < n; k++) {
            char path[4096];

            snprintf(path, sizeof path, "%s/%s", argv[i], list[k]->d_name);
            if (list[k]->d_name[0] != '.')
                replay(path);
            free(list[k]);
        }
        if (n >= 0)
            free(list);
    }
    fprintf(stderr, "%u inputs\n", count);
    return count == 0;
}
