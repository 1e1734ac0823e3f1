// SPDX-License-Identifier: Apache-2.0
//
// SORT's patterns: which key, or which field of which hash, belongs to an element. May use: base,
// string_value.
#ifndef KVFENCE_COMMANDS_SORT_PATTERN_H
#define KVFENCE_COMMANDS_SORT_PATTERN_H

#include "commands/string_value.h"

// True if the pattern has a '*', so that it means another key for each element.
bool sort_pattern_is_real(struct bytes pattern);

// Appends to `out` what the pattern says of the element: with "#" the element itself, otherwise the string in
// the key that has the element in place of the first '*'; with "->field" behind it that field of the hash in
// the key. *found false: there is none. NULL, or what is wrong, as an error reply.
const char *sort_pattern_look_up(const struct string_source *from, struct bytes pattern, struct bytes element,
                                 struct buffer *out, bool *found);

#endif
