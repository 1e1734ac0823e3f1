// SPDX-License-Identifier: Apache-2.0
//
// What the scanner should say of a payload, found in another way: the server's own parser cuts it into
// commands, and the server's own table says what they are. Uses: server/request_parser, commands/table, the
// exceptions.
#ifndef KVFENCE_FENCE_ORACLE_H
#define KVFENCE_FENCE_ORACLE_H

#include "bpf/fence_contract.h"

#include <stdbool.h>
#include <stddef.h>

struct oracle {
    bool is_write;   // a write is the first command, or is reached by whole commands
    size_t write_at; // where it begins
    bool is_whole;   // from the first byte to the last: whole commands that are known not to write
};

struct oracle oracle_look(const void *payload, size_t length);

#endif
