// SPDX-License-Identifier: Apache-2.0
//
// Tells the two layouts apart. A key of cluster mode starts with the slot that its own rest hashes to; of
// other keys one in 65536 does by chance. Uses: store/encoding.
#include "store/layout_check.h"

#include <stdlib.h>

enum { LOOKED_AT_MAX = 64 };

// True if the key starts with its own slot.
static bool has_own_slot(struct bytes key) {
    if (key.length < 2)
        return false;
    unsigned slot = (unsigned)(unsigned char)key.data[0] << 8 | (unsigned char)key.data[1];
    return key_slot((struct bytes){.data = key.data + 2, .length = key.length - 2}) == slot;
}

struct sample {
    size_t keys, with_slot;
};

static void take_sample(rocksdb_iterator_t *entries, struct bytes prefix, struct sample *sample) {
    for (rocksdb_iter_seek(entries, prefix.data, prefix.length);
         rocksdb_iter_valid(entries) && sample->keys < LOOKED_AT_MAX; rocksdb_iter_next(entries)) {
        size_t length = 0;
        const char *raw = rocksdb_iter_key(entries, &length);
        if (length < prefix.length || memcmp(raw, prefix.data, prefix.length) != 0)
            return;
        sample->keys++;
        sample->with_slot +=
            has_own_slot((struct bytes){.data = raw + prefix.length, .length = length - prefix.length});
    }
}

// In cluster mode every key must have its slot. Otherwise one without is enough, as keys may start with
// anything.
static enum layout_verdict judge(const struct sample *sample, bool with_slot) {
    bool all_with_slot = sample->keys == sample->with_slot;
    if (sample->keys == 0 || all_with_slot == with_slot)
        return LAYOUT_FITS;
    return with_slot ? LAYOUT_WITHOUT_SLOT : LAYOUT_WITH_SLOT;
}

enum layout_verdict layout_check(rocksdb_t *database, rocksdb_column_family_handle_t *metadata,
                                 const struct key_layout *layout) {
    struct sample sample = {0};
    struct buffer prefix = {0};
    char *reason = NULL;
    encode_namespace_prefix(&prefix, layout);
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_iterator_t *entries = rocksdb_create_iterator_cf(database, options, metadata);
    take_sample(entries, buffer_bytes(&prefix), &sample);
    rocksdb_iter_get_error(entries, &reason);
    rocksdb_iter_destroy(entries);
    rocksdb_readoptions_destroy(options);
    buffer_release(&prefix);
    bool unreadable = reason != NULL;
    free(reason);
    return unreadable ? LAYOUT_UNREADABLE : judge(&sample, layout->with_slot);
}
