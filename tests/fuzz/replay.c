/*
 * replay.c: runs a fuzz target over the files of folders, where there is no libFuzzer.
 *
 * usage: fuzz_NAME FILE|FOLDER ...
 *
 * Each input is handed over in a block of its own size, so that a sanitizer or valgrind sees a read
 * past its end. No input at all is a failure: a corpus that went missing must not pass.
 */
#include <dirent.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static void run_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size);
    if (file == NULL || (data == NULL && size > 0) || fread(data, 1, size, file) != size)
        err(1, "%s", path);
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one printed is the one that crashed */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

/* Returns the number of inputs run. */
static int run(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        err(1, "%s", path);
    if (S_ISREG(st.st_mode)) {
        run_file(path, (size_t)st.st_size);
        return 1;
    }

    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0)
        err(1, "%s", path);
    int inputs = 0;
    for (int i = 0; i < count; i++) {
        char *child;
        if (asprintf(&child, "%s/%s", path, names[i]->d_name) < 0)
            err(1, "asprintf");
        if (names[i]->d_name[0] != '.')
            inputs += run(child);
        free(child);
        free(names[i]);
    }
    free(names);
    return inputs;
}

int main(int argc, char **argv)
{
    int inputs = 0;
    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        inputs += run(argv[i]);
    printf("%d inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}
