// SPDX-License-Identifier: Apache-2.0
//
// The file lease.state in the data directory: the highest election version ever seen there, and whether there
// ever was a lease. It belongs to this directory's history and is never replicated or part of a backup. Not
// thread-safe: one caller at a time for a directory. May use: lease/rules, base.
#ifndef KVFENCE_LEASE_STATE_FILE_H
#define KVFENCE_LEASE_STATE_FILE_H

#include "lease/rules.h"

#include <stdbool.h>
#include <stddef.h>

#define LEASE_STATE_FILE_NAME "lease.state"

enum { STATE_FILE_TEXT_SIZE = 160, STATE_FILE_ERROR_SIZE = 960 };

// Reads the file of `directory`. A file that is not there is an empty record, as of a new data directory.
// False, with what is wrong and what to do in `error`, if it cannot be read, is damaged, or was written by a
// newer version of this program.
bool state_file_read(const char *directory, struct lease_record *record, char error[STATE_FILE_ERROR_SIZE]);

// Replaces the file: when it returns true the record survives a power cut. On failure returns false with the
// reason in `error`; the directory then holds the old file, whole, or the new one.
bool state_file_write(const char *directory, struct lease_record record, char error[STATE_FILE_ERROR_SIZE]);

// The text of a file with this record. Returns its length.
size_t state_file_encode(struct lease_record record, char text[STATE_FILE_TEXT_SIZE]);

#endif
