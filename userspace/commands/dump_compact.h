// SPDX-License-Identifier: Apache-2.0
//
// Redis' compact encodings of small collections, which its dumps hold as they lie in its memory: listpacks,
// the ziplists that came before them, and sets of integers. Each function adds the elements in their order.
// False: the bytes are damaged, or the value would become too big. May use: base, commands/dump_value.
#ifndef KVFENCE_COMMANDS_DUMP_COMPACT_H
#define KVFENCE_COMMANDS_DUMP_COMPACT_H

#include "commands/dump_value.h"

bool dump_read_listpack(struct bytes bytes, struct dump_value *out);
bool dump_read_ziplist(struct bytes bytes, struct dump_value *out);
bool dump_read_intset(struct bytes bytes, struct dump_value *out);

// Adds an integer as the text that it stands for.
bool dump_add_integer(struct dump_value *out, int64_t value);

#endif
