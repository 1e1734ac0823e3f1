// SPDX-License-Identifier: Apache-2.0
//
// Where among the keys the matches of a pattern can lie, so that KEYS and SCAN need not look at all of them.
// May use: base/glob, store/encoding.
#ifndef KVFENCE_COMMANDS_SCAN_RANGE_H
#define KVFENCE_COMMANDS_SCAN_RANGE_H

#include "store/encoding.h"

enum scan_range_kind { SCAN_ALL_KEYS, SCAN_PREFIX, SCAN_ONE_KEY };

// A run of neighbours in the order in which keys are iterated, beginning with the first that is not less than
// `start`. `start` is borrowed from the pattern. Zero-initialised: all keys.
struct scan_range {
    enum scan_range_kind kind;
    struct bytes start;
};

struct scan_range scan_range_of(struct bytes pattern, bool keys_with_slots);
bool scan_range_covers(const struct scan_range *range, struct bytes key);

#endif
