/* replay.c: feeds files, or all files below directories, to a fuzz target: how a corpus is replayed by `make
 * test` without a fuzzer. Prints the count; a target that fails aborts. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

static int count;

static void feed_file(const char *path, size_t nbytes) {
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(nbytes ? nbytes : 1);
    if (!f || !data || fread(data, 1, nbytes, f) != nbytes) {
        fprintf(stderr, "cannot read '%s'\n", path);
        exit(74);
    }
    fclose(f);
    (void)LLVMFuzzerTestOneInput(data, nbytes);
    free(data);
    count++;
}

static void feed(const char *path) {
    struct stat st;
    struct dirent **names = NULL;
    if (stat(path, &st) != 0) {
        fprintf(stderr, "cannot open '%s'\n", path);
        exit(66);
    }
    if (!S_ISDIR(st.st_mode)) {
        feed_file(path, (size_t)st.st_size);
        return;
    }
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char *below = malloc(strlen(path) + strlen(names[i]->d_name) + 2);
        if (!below)
            exit(71);
        sprintf(below, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            feed(below);
        free(below);
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        feed(argv[i]);
    printf("%d passed, 0 failed, 0 skipped\n", count);
    return count == 0;
}
