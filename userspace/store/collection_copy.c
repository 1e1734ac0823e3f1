// SPDX-License-Identifier: Apache-2.0
//
// Copying all sub-keys of a collection. Uses: base, store/collection.
#include "base/buffer.h"
#include "store/collection.h"

// Elements may be big.
enum { AT_ONCE = 1000, AT_ONCE_BYTES = 1 << 20 };

// Some sub-keys behind `last`, or from the first one on, with their values.
static enum store_status read_some(const struct collection *from, enum column_family family,
                                   const struct buffer *last, bool resumes, struct buffer *out) {
    struct collection_iterator *iterator = collection_iterator_open(from, family);
    struct bytes sub_key;
    struct bytes value;
    collection_iterator_seek(iterator, buffer_bytes(last));
    for (int left = AT_ONCE;
         left != 0 && out->length < AT_ONCE_BYTES && collection_iterator_next(iterator, &sub_key, &value);) {
        if (resumes && bytes_equal(sub_key, buffer_bytes(last)))
            continue;
        buffer_append_counted(out, sub_key);
        buffer_append_counted(out, value);
        left--;
    }
    enum store_status status = collection_iterator_status(iterator);
    collection_iterator_close(iterator);
    return status;
}

static void stage_some(struct collection *to, enum column_family family, const struct buffer *some,
                       struct buffer *last) {
    struct bytes rest = buffer_bytes(some);
    while (rest.length != 0) {
        struct bytes sub_key = bytes_take_counted(&rest);
        struct bytes value = bytes_take_counted(&rest);
        collection_put(to, family, sub_key, value);
        buffer_clear(last);
        buffer_append(last, sub_key);
    }
}

// Some at a time, because nothing may be staged while a transaction's iterator is open.
static enum store_status copy_family(const struct collection *from, struct collection *to,
                                     enum column_family family) {
    struct buffer some = {0};
    struct buffer last = {0};
    enum store_status status = STORE_OK;
    for (bool resumes = false;; resumes = true) {
        buffer_clear(&some);
        status = read_some(from, family, &last, resumes, &some);
        if (status != STORE_OK || some.length == 0 || session_is_overfull(to->session))
            break;
        stage_some(to, family, &some, &last);
    }
    buffer_release(&some);
    buffer_release(&last);
    return status;
}

enum store_status collection_copy(const struct collection *from, struct bytes key) {
    static const enum column_family families[] = {FAMILY_DEFAULT, FAMILY_ZSET_SCORE, FAMILY_STREAM};
    struct collection to = *from;
    to.key = key;
    to.existed = false;
    to.metadata.version = metadata_new_version();
    to.metadata.wide = true;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        enum store_status status = copy_family(from, &to, families[i]);
        if (status != STORE_OK)
            return status;
    }
    collection_save(&to);
    return STORE_OK;
}
