// SPDX-License-Identifier: Apache-2.0
//
// Reads what DUMP has made, of this server or of Redis: one value in the format of Redis' database files up
// to version 10, the version and a checksum. Strings, lists, hashes, sets and sorted sets are known, in all
// encodings that Redis 4.0 to 7.0 write. Thread-safe. May use: base, commands/dump_value.
#ifndef KVFENCE_COMMANDS_DUMP_READER_H
#define KVFENCE_COMMANDS_DUMP_READER_H

#include "commands/dump_value.h"

enum { DUMP_VERSION = 10, DUMP_FOOTER_SIZE = 10 };

// The types of values in the format, as this server writes them.
enum dump_type {
    DUMP_STRING = 0,
    DUMP_LIST = 1,
    DUMP_SET = 2,
    DUMP_HASH = 4,
    DUMP_ZSET = 5 // scores in binary
};

// NULL, or the error reply. On failure *out is empty.
const char *dump_read(struct bytes payload, struct dump_value *out);

#endif
