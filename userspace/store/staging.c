// SPDX-License-Identifier: Apache-2.0
//
// The three forms of what is staged. Uses: base, store/gathered.
#include "store/staging.h"

#include "base/assert.h"

// Batches keep the memory of the most that they ever held, which after a big one is too much to keep.
enum { MEMORY_KEPT_MAX = 1 << 20 };

void staging_open(struct staging *staging, rocksdb_column_family_handle_t *const *families) {
    *staging =
        (struct staging){.batch = rocksdb_writebatch_create(), .list = gathered_open(), .families = families};
}

void staging_close(struct staging *staging) {
    rocksdb_writebatch_destroy(staging->batch);
    gathered_close(staging->list);
    if (staging->indexed != NULL)
        rocksdb_writebatch_wi_destroy(staging->indexed);
}

void staging_begin(struct staging *staging, enum staging_form form) {
    always_assert(staging->form == STAGING_BATCH, "the form is chosen once");
    if (form == STAGING_INDEXED && staging->indexed == NULL)
        staging->indexed = rocksdb_writebatch_wi_create(0, 1);
    staging->form = form;
}

// --- Changes ---

// The parts are not joined first: one may be hundreds of megabytes.
static void put_parts(const struct staging *staging, enum column_family family, struct bytes key,
                      const struct bytes *parts, size_t count) {
    rocksdb_column_family_handle_t *handle = staging->families[family];
    const char *data[STAGING_PARTS_MAX];
    size_t lengths[STAGING_PARTS_MAX];
    always_assert(count <= STAGING_PARTS_MAX, "values are staged in a few parts");
    for (size_t i = 0; i < count; i++) {
        data[i] = parts[i].length == 0 ? "" : parts[i].data;
        lengths[i] = parts[i].length;
    }
    if (staging->form == STAGING_INDEXED)
        rocksdb_writebatch_wi_putv_cf(staging->indexed, handle, 1, &key.data, &key.length, (int)count, data,
                                      lengths);
    else
        rocksdb_writebatch_putv_cf(staging->batch, handle, 1, &key.data, &key.length, (int)count, data,
                                   lengths);
}

void staging_put(struct staging *staging, enum column_family family, struct bytes key,
                 const struct bytes *parts, size_t count) {
    if (staging->form == STAGING_LIST)
        gathered_put(staging->list, family, key, parts, count);
    else
        put_parts(staging, family, key, parts, count);
}

void staging_delete(struct staging *staging, enum column_family family, struct bytes key) {
    rocksdb_column_family_handle_t *handle = staging->families[family];
    if (staging->form == STAGING_LIST)
        gathered_delete(staging->list, family, key);
    else if (staging->form == STAGING_INDEXED)
        rocksdb_writebatch_wi_delete_cf(staging->indexed, handle, key.data, key.length);
    else
        rocksdb_writebatch_delete_cf(staging->batch, handle, key.data, key.length);
}

void staging_delete_range(struct staging *staging, enum column_family family, struct bytes begin,
                          struct bytes end) {
    always_assert(staging->form == STAGING_BATCH, "what can be read knows no ranges");
    rocksdb_writebatch_delete_range_cf(staging->batch, staging->families[family], begin.data, begin.length,
                                       end.data, end.length);
}

void staging_log_data(struct staging *staging, struct bytes text) {
    if (staging->form == STAGING_LIST)
        gathered_log_data(staging->list, text);
    else if (staging->form == STAGING_INDEXED)
        rocksdb_writebatch_wi_put_log_data(staging->indexed, text.data, text.length);
    else
        rocksdb_writebatch_put_log_data(staging->batch, text.data, text.length);
}

// --- Savepoints ---

void staging_savepoint(struct staging *staging) {
    always_assert(staging->form != STAGING_BATCH, "savepoints are for several commands");
    if (staging->form == STAGING_INDEXED)
        rocksdb_writebatch_wi_set_save_point(staging->indexed);
    else
        staging->list_at_savepoint = gathered_count(staging->list);
}

void staging_rollback(struct staging *staging) {
    char *reason = NULL;
    if (staging->form == STAGING_INDEXED)
        rocksdb_writebatch_wi_rollback_to_save_point(staging->indexed, &reason);
    else
        gathered_drop_behind(staging->list, staging->list_at_savepoint);
    always_assert(reason == NULL, "a savepoint that was set can be returned to");
}

// --- Writing ---

void staging_finish(struct staging *staging) {
    if (staging->form == STAGING_LIST)
        gathered_write(staging->list, staging->families, staging->batch);
}

struct bytes staging_batch(const struct staging *staging) {
    struct bytes batch;
    if (staging->form == STAGING_INDEXED)
        batch.data = rocksdb_writebatch_wi_data(staging->indexed, &batch.length);
    else
        batch.data = rocksdb_writebatch_data(staging->batch, &batch.length);
    return batch;
}

char *staging_write(struct staging *staging, rocksdb_t *database, const rocksdb_writeoptions_t *options) {
    char *reason = NULL;
    if (staging->form == STAGING_INDEXED)
        rocksdb_write_writebatch_wi(database, options, staging->indexed, &reason);
    else
        rocksdb_write(database, options, staging->batch, &reason);
    return reason;
}

static void clear_batch(struct staging *staging) {
    size_t size = 0;
    (void)rocksdb_writebatch_data(staging->batch, &size);
    if (size <= MEMORY_KEPT_MAX) {
        rocksdb_writebatch_clear(staging->batch);
        return;
    }
    rocksdb_writebatch_destroy(staging->batch);
    staging->batch = rocksdb_writebatch_create();
}

static void clear_indexed(struct staging *staging) {
    size_t size = 0;
    (void)rocksdb_writebatch_wi_data(staging->indexed, &size);
    if (size <= MEMORY_KEPT_MAX) {
        rocksdb_writebatch_wi_clear(staging->indexed);
        return;
    }
    rocksdb_writebatch_wi_destroy(staging->indexed);
    staging->indexed = NULL;
}

void staging_clear(struct staging *staging) {
    if (staging->form == STAGING_INDEXED)
        clear_indexed(staging);
    else
        clear_batch(staging);
    gathered_clear(staging->list);
    staging->form = STAGING_BATCH;
}
