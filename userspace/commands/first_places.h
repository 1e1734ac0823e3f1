// SPDX-License-Identifier: Apache-2.0
//
// Which of a command's keys are named twice. May use: base.
#ifndef KVFENCE_COMMANDS_FIRST_PLACES_H
#define KVFENCE_COMMANDS_FIRST_PLACES_H

#include "base/bytes.h"

// For each key the place of the first one that is equal to it, which is its own for those that are named
// once. Release it with free().
size_t *first_places(const struct bytes *keys, size_t count);

#endif
