// SPDX-License-Identifier: Apache-2.0
//
// The files of a copied database, by their names in one directory. Names come from the other side of a
// connection, so they are looked at before they are used. May use: base.
#ifndef KVFENCE_REPLICATION_DATA_FILES_H
#define KVFENCE_REPLICATION_DATA_FILES_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

enum { DATA_FILE_NAME_MAX = 255 };

// True if it can be the name of a database's file and leads to no other directory.
bool data_file_name_is_sound(struct bytes name);
// True if a file of this name never changes once it is there, whatever is copied later.
bool data_file_is_immutable(struct bytes name);

// Opens a file in the directory, -1 with errno if that fails.
int data_file_open(const char *directory, struct bytes name, int flags);
// Its size, or -1 if there is none.
int64_t data_file_size(const char *directory, struct bytes name);

// Calls `each` for every file. False if the directory cannot be read.
typedef void data_file_function(void *context, struct bytes name);
bool data_files_each(const char *directory, data_file_function *each, void *context);

// The next name of a list joined by commas, taken off its front. False at the end.
bool data_files_next_name(struct bytes *list, struct bytes *name);

// Deletes the directory with all that is in it; it may be missing. False with errno.
bool data_files_remove(const char *directory);
// Deletes the directories in it: a database that has been open keeps old log in one of them.
bool data_files_remove_directories(const char *directory);
// Makes what is in the directory durable, names included.
bool data_files_sync(const char *directory);

#endif
