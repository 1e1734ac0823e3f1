// SPDX-License-Identifier: Apache-2.0
//
// Feeds every file of the directories named on the command line to the fuzz target it is linked with, each in
// a block of exactly its size, so that AddressSanitizer sees a read past the end. Fails if there was no file.
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void fail(const char *what, const char *path) {
    (void)fprintf(stderr, "%s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static void replay_file(const char *path, size_t size) {
    FILE *file = fopen(path, "rbe");
    uint8_t *data = malloc(size);
    if (file == NULL || (data == NULL && size != 0))
        fail("cannot open", path);
    else if (fread(data, 1, size, file) != size)
        fail("cannot read", path);
    else
        (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static size_t replay_directory(const char *directory) {
    size_t count = 0;
    DIR *listing = opendir(directory);
    if (listing == NULL)
        fail("cannot open", directory);
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        char path[PATH_MAX];
        struct stat status;
        if (snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) >= (int)sizeof(path))
            continue;
        if (stat(path, &status) != 0)
            fail("cannot look at", path);
        if (!S_ISREG(status.st_mode))
            continue;
        replay_file(path, (size_t)status.st_size);
        count++;
    }
    (void)closedir(listing);
    return count;
}

int main(int argc, char **argv) {
    size_t count = 0;
    for (int i = 1; i < argc; i++)
        count += replay_directory(argv[i]);
    printf("%zu inputs replayed\n", count);
    return count == 0 ? 1 : 0;
}
