// SPDX-License-Identifier: Apache-2.0
//
// Drawing places between keys. Uses: base.
#include "store/random_place.h"

#include "base/random.h"

// The bytes of `key` from `from` on as a number in [0, 2^56), as far as there are any.
static uint64_t position_number(struct bytes key, size_t from) {
    uint64_t number = 0;
    for (size_t i = from; i < from + 7; i++)
        number = number << 8 | (i < key.length ? (unsigned char)key.data[i] : 0U);
    return number;
}

void random_place_between(struct bytes first, struct bytes last, struct buffer *out) {
    size_t common = 0;
    while (common < first.length && common < last.length && first.data[common] == last.data[common])
        common++;
    uint64_t low = position_number(first, common);
    uint64_t span = position_number(last, common) - low + 1;
    uint64_t drawn = low + random_below(span);
    buffer_append(out, (struct bytes){first.data, common});
    for (int shift = 48; shift >= 0; shift -= 8) {
        char byte = (char)(drawn >> shift & 0xff);
        buffer_append(out, (struct bytes){&byte, 1});
    }
}
