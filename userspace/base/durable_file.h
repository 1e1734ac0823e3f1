// SPDX-License-Identifier: Apache-2.0
//
// Small files that are replaced as a whole: after a crash or a power cut the file is either the old one or
// the new one. May use: base/buffer.
#ifndef KVFENCE_BASE_DURABLE_FILE_H
#define KVFENCE_BASE_DURABLE_FILE_H

#include "base/buffer.h"

#include <stdbool.h>

enum { DURABLE_FILE_ERROR_SIZE = 512 };

// Writes `path`.tmp, syncs it, gives it the file's name, and syncs the directory. On failure returns false
// with path and reason in `error`; the file is as it was, unless only the directory could not be synced. Not
// for two threads on the same file.
bool durable_file_replace(const char *path, struct bytes text, char error[DURABLE_FILE_ERROR_SIZE]);

// Its parts, for files that are made in another way. Both leave errno set if they fail. The second syncs the
// directory that holds the file, so that its new name, or its absence, survives a crash of the machine.
bool durable_file_write_all(int file, struct bytes text);
bool durable_file_sync_directory(const char *path);

// Removes the file and syncs the directory. A file that is not there is no failure.
bool durable_file_remove(const char *path, char error[DURABLE_FILE_ERROR_SIZE]);

// Appends the whole file to `out`. *exists tells whether there is one; a missing file is no failure.
bool durable_file_read(const char *path, struct buffer *out, bool *exists,
                       char error[DURABLE_FILE_ERROR_SIZE]);

#endif
