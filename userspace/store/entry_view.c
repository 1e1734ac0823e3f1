// SPDX-License-Identifier: Apache-2.0
//
// Entries looked up by iterators. Uses: base, store/session_internal.
#include "store/entry_view.h"

#include "base/assert.h"
#include "base/counter.h"
#include "base/memory.h"
#include "store/session_internal.h"

#include <stdlib.h>

struct entry_view {
    struct store_session *session;
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *keys, *sub_keys;
    struct buffer raw;
    struct buffer behind; // the least key behind it
};

struct entry_view *entry_view_open(struct store_session *session) {
    always_assert(!session_in_transaction(session), "a reply that goes on is no transaction's");
    struct store *store = session->store;
    struct entry_view *view = memory_allocate_zeroed(1, sizeof(*view));
    view->session = session;
    session->round_read = true;
    session->reads++;
    view->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_upper_bound(view->options, "", 0); // each look-up sets its own
    if (session->snapshot != NULL)
        rocksdb_readoptions_set_snapshot(view->options, session->snapshot);
    view->keys = rocksdb_create_iterator_cf(store->database, view->options, store->families[FAMILY_METADATA]);
    view->sub_keys =
        rocksdb_create_iterator_cf(store->database, view->options, store->families[FAMILY_DEFAULT]);
    return view;
}

void entry_view_close(struct entry_view *view) {
    if (view == NULL)
        return;
    rocksdb_iter_destroy(view->keys);
    rocksdb_iter_destroy(view->sub_keys);
    rocksdb_readoptions_destroy(view->options);
    buffer_release(&view->raw);
    buffer_release(&view->behind);
    free(view);
}

// Without an end, the seek for a key that is not there would pass all that was deleted behind it. RocksDB
// looks at the bound anew with each seek, and the options hold where it is.
static void end_behind_it(struct entry_view *view) {
    buffer_clear(&view->behind);
    buffer_append(&view->behind, buffer_bytes(&view->raw));
    buffer_append(&view->behind, (struct bytes){"", 1});
    rocksdb_readoptions_set_iterate_upper_bound(view->options, view->behind.data, view->behind.length);
}

// The entry of view->raw.
static enum store_status find(struct entry_view *view, rocksdb_iterator_t *entries, struct store_value *out) {
    char *reason = NULL;
    size_t length = 0;
    *out = (struct store_value){0};
    view->session->reads++;
    end_behind_it(view);
    rocksdb_iter_seek(entries, view->raw.data, view->raw.length);
    rocksdb_iter_get_error(entries, &reason);
    if (reason != NULL)
        return session_read_failed(view->session, reason);
    if (!rocksdb_iter_valid(entries))
        return STORE_NOT_FOUND;
    const char *key = rocksdb_iter_key(entries, &length);
    if (!bytes_equal((struct bytes){key, length}, buffer_bytes(&view->raw)))
        return STORE_NOT_FOUND;
    out->raw.data = rocksdb_iter_value(entries, &out->raw.length);
    return STORE_OK;
}

static enum store_status read_living(struct entry_view *view, struct bytes key, wall_ms_t now,
                                     struct store_value *out) {
    buffer_clear(&view->raw);
    encode_metadata_key(&view->raw, &view->session->store->layout, key);
    enum store_status status = find(view, view->keys, out);
    if (status != STORE_OK)
        return status;
    if (!decode_metadata(out->raw, &out->metadata))
        return session_not_understood(view->session);
    if (metadata_is_dead(&out->metadata, now)) {
        session_note_dead(view->session, key);
        return STORE_NOT_FOUND;
    }
    out->payload = (struct bytes){out->raw.data + out->metadata.header_length,
                                  out->raw.length - out->metadata.header_length};
    return STORE_OK;
}

enum store_status entry_view_read(struct entry_view *view, struct bytes key, wall_ms_t now,
                                  struct store_value *out) {
    struct session_counters *counters = view->session->counters;
    enum store_status status = read_living(view, key, now, out);
    if (status != STORE_FAILED)
        counter_add(status == STORE_OK ? &counters->hits : &counters->misses, 1);
    return status;
}

enum store_status entry_view_read_sub_key(struct entry_view *view, struct bytes key, uint64_t version,
                                          struct bytes sub_key, struct store_value *out) {
    buffer_clear(&view->raw);
    encode_sub_key(&view->raw, &view->session->store->layout, key, version, sub_key);
    enum store_status status = find(view, view->sub_keys, out);
    out->payload = out->raw;
    return status;
}

enum store_status entry_source_read(struct entry_source source, struct bytes key, wall_ms_t now,
                                    struct store_value *out) {
    return source.view != NULL ? entry_view_read(source.view, key, now, out)
                               : store_read(source.session, key, now, out);
}

enum store_status entry_source_read_sub_key(struct entry_source source, struct bytes key, uint64_t version,
                                            struct bytes sub_key, struct store_value *out) {
    return source.view != NULL
               ? entry_view_read_sub_key(source.view, key, version, sub_key, out)
               : store_read_sub_key(source.session, FAMILY_DEFAULT, key, version, sub_key, out);
}
