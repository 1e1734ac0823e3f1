// SPDX-License-Identifier: Apache-2.0
//
// Files of a copied database. Uses: base.
#include "replication/data_files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool data_file_name_is_sound(struct bytes name) {
    if (name.length == 0 || name.length > DATA_FILE_NAME_MAX || name.data[0] == '.')
        return false;
    for (size_t i = 0; i < name.length; i++) {
        if (!isalnum((unsigned char)name.data[i]) && strchr("._-", name.data[i]) == NULL)
            return false;
    }
    return true;
}

static bool ends_with(struct bytes name, const char *ending) {
    size_t length = strlen(ending);
    return name.length > length && memcmp(name.data + name.length - length, ending, length) == 0;
}

bool data_file_is_immutable(struct bytes name) {
    return ends_with(name, ".sst") || ends_with(name, ".blob");
}

static void path_of(const char *directory, struct bytes name, struct buffer *path) {
    buffer_append_format(path, "%s/%.*s%c", directory, (int)name.length, name.data, '\0');
}

int data_file_open(const char *directory, struct bytes name, int flags) {
    struct buffer path = {0};
    path_of(directory, name, &path);
    int file = open(path.data, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    int problem = errno;
    buffer_release(&path);
    errno = problem;
    return file;
}

int64_t data_file_size(const char *directory, struct bytes name) {
    struct buffer path = {0};
    struct stat status;
    path_of(directory, name, &path);
    bool found = lstat(path.data, &status) == 0 && S_ISREG(status.st_mode);
    buffer_release(&path);
    return found ? status.st_size : -1;
}

bool data_files_each(const char *directory, data_file_function *each, void *context) {
    DIR *entries = opendir(directory);
    if (entries == NULL)
        return false;
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        struct bytes name = bytes_from_text(entry->d_name);
        if (name.data[0] != '.' && data_file_size(directory, name) >= 0)
            each(context, name);
    }
    (void)closedir(entries);
    return true;
}

bool data_files_next_name(struct bytes *list, struct bytes *name) {
    if (list->length == 0)
        return false;
    const char *comma = memchr(list->data, ',', list->length);
    name->data = list->data;
    name->length = comma == NULL ? list->length : (size_t)(comma - list->data);
    size_t taken = comma == NULL ? name->length : name->length + 1;
    list->data += taken;
    list->length -= taken;
    return true;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status;
    (void)place;
    return type == FTW_DP ? rmdir(path) : unlink(path);
}

// Links are removed and not followed.
static bool remove_tree(const char *path) {
    enum { OPEN_AT_ONCE = 8 };
    return nftw(path, remove_entry, OPEN_AT_ONCE, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT;
}

bool data_files_remove(const char *directory) {
    return remove_tree(directory);
}

static bool is_directory(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool data_files_remove_directories(const char *directory) {
    bool removed = true;
    DIR *entries = opendir(directory);
    if (entries == NULL)
        return false;
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        struct buffer path = {0};
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        path_of(directory, bytes_from_text(entry->d_name), &path);
        removed = removed && (!is_directory(path.data) || remove_tree(path.data));
        buffer_release(&path);
    }
    (void)closedir(entries);
    return removed;
}

static bool sync_path(const char *path, int flags) {
    int file = open(path, flags | O_RDONLY | O_CLOEXEC);
    bool synced = file >= 0 && fsync(file) == 0;
    if (file >= 0)
        (void)close(file);
    return synced;
}

struct syncing {
    const char *directory;
    bool failed;
};

static void sync_file(void *context, struct bytes name) {
    struct syncing *syncing = context;
    struct buffer path = {0};
    path_of(syncing->directory, name, &path);
    syncing->failed |= !sync_path(path.data, 0);
    buffer_release(&path);
}

bool data_files_sync(const char *directory) {
    struct syncing syncing = {.directory = directory};
    return data_files_each(directory, sync_file, &syncing) && !syncing.failed &&
           sync_path(directory, O_DIRECTORY);
}
