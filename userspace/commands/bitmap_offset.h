// SPDX-License-Identifier: Apache-2.0
//
// Bit offsets as arguments. May use: base, server/command, commands/arguments.
#ifndef KVFENCE_COMMANDS_BITMAP_OFFSET_H
#define KVFENCE_COMMANDS_BITMAP_OFFSET_H

#include "server/command.h"

#include <stdint.h>

// Reads the offset of a bit that a string of the longest allowed length has. With `width` not 0, "#3" stands
// for three times the width. False: the error reply is written.
bool bit_offset_argument(struct command_context *context, size_t index, unsigned width, uint64_t *offset);

#endif
