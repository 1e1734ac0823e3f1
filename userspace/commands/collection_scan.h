// SPDX-License-Identifier: Apache-2.0
//
// What HSCAN, SSCAN and ZSCAN have in common. May use: base, store/collection, server/command.
#ifndef KVFENCE_COMMANDS_COLLECTION_SCAN_H
#define KVFENCE_COMMANDS_COLLECTION_SCAN_H

#include "server/command.h"
#include "store/collection.h"

// Writes one element; returns how many replies that was.
typedef size_t scan_element_function(struct reply *reply, struct bytes sub_key, struct bytes value);

// Runs `...SCAN key cursor [MATCH pattern] [COUNT count]` for a collection of this type.
void collection_scan(struct command_context *context, enum value_type type, scan_element_function *element);

#endif
