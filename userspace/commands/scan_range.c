// SPDX-License-Identifier: Apache-2.0
//
// Ranges of keys from patterns. Uses: glob.
#include "commands/scan_range.h"

#include "base/glob.h"

// True if all keys with this prefix lie in one slot: it holds a whole hash tag that is not empty.
static bool holds_hash_tag(struct bytes prefix) {
    if (prefix.length == 0)
        return false;
    const char *open = memchr(prefix.data, '{', prefix.length);
    if (open == NULL)
        return false;
    const char *tag = open + 1;
    const char *close = memchr(tag, '}', (size_t)(prefix.data + prefix.length - tag));
    return close != NULL && close != tag;
}

struct scan_range scan_range_of(struct bytes pattern, bool keys_with_slots) {
    struct bytes prefix = glob_literal_prefix(pattern);
    if (pattern.length != 0 && prefix.length == pattern.length)
        return (struct scan_range){.kind = SCAN_ONE_KEY, .start = pattern};
    // Keys with slots are ordered by slot first, which scatters a prefix over all of them.
    if (prefix.length == 0 || (keys_with_slots && !holds_hash_tag(prefix)))
        return (struct scan_range){0};
    return (struct scan_range){.kind = SCAN_PREFIX, .start = prefix};
}

bool scan_range_covers(const struct scan_range *range, struct bytes key) {
    size_t length = range->start.length;
    if (range->kind == SCAN_ALL_KEYS)
        return true;
    if (range->kind == SCAN_ONE_KEY)
        return bytes_equal(key, range->start);
    return key.length >= length && memcmp(key.data, range->start.data, length) == 0;
}
