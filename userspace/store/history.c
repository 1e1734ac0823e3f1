// SPDX-License-Identifier: Apache-2.0
//
// The history and its two entries in the propagate family. Uses: base, the other files of store/.
#include "store/history.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Kvrocks' key for its replication id, and the one beside it.
#define ID_KEY      BYTES_LITERAL("replication_id_")
#define HISTORY_KEY BYTES_LITERAL("kvfence_history_")

enum {
    LINE_MAX_SIZE = HISTORY_ID_LENGTH + NUMBER_INTEGER_SIZE + 2,
    TEXT_SIZE = HISTORY_MAX * LINE_MAX_SIZE + 1
};

// --- Text ---

void history_print(const struct history *history, char *out, size_t size) {
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < history->count; i++) {
        const struct history_entry *entry = &history->entries[i];
        int length = snprintf(out + at, size - at, "%s %" PRIu64 "\n", entry->id, entry->first);
        always_assert(length > 0 && (size_t)length < size - at, "a history fits into its text");
        at += (size_t)length;
    }
}

static bool parse_line(struct bytes line, struct history_entry *out) {
    if (line.length < HISTORY_ID_LENGTH + 2 || line.data[HISTORY_ID_LENGTH] != ' ')
        return false;
    memcpy(out->id, line.data, HISTORY_ID_LENGTH);
    out->id[HISTORY_ID_LENGTH] = '\0';
    struct bytes number = {line.data + HISTORY_ID_LENGTH + 1, line.length - HISTORY_ID_LENGTH - 1};
    return number_read_unsigned(number, &out->first);
}

bool history_parse(struct bytes text, struct history *out) {
    out->count = 0;
    while (text.length > 0) {
        const char *end = memchr(text.data, '\n', text.length);
        if (end == NULL || out->count == HISTORY_MAX)
            return false;
        struct bytes line = {text.data, (size_t)(end - text.data)};
        if (!parse_line(line, &out->entries[out->count]))
            return false;
        out->count++;
        text.length -= line.length + 1;
        text.data = end + 1;
    }
    return true;
}

// --- Reading ---

// Appends the value; nothing if there is none.
static bool read_entry(const struct store *store, struct bytes key, struct buffer *out, char **error) {
    size_t length = 0;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    char *value = rocksdb_get_cf(store->database, options, store->families[FAMILY_PROPAGATE], key.data,
                                 key.length, &length, error);
    rocksdb_readoptions_destroy(options);
    if (value != NULL)
        buffer_append(out, (struct bytes){value, length});
    free(value);
    return *error == NULL;
}

// A Kvrocks that was the master has changed its own entry only: what it wrote began at an unknown number.
static void follow_foreign_id(struct bytes id, struct history *history) {
    const char *newest = history_id(history);
    if (id.length != HISTORY_ID_LENGTH || (newest != NULL && bytes_equal(bytes_from_text(newest), id)))
        return;
    *history = (struct history){.count = 1};
    memcpy(history->entries[0].id, id.data, HISTORY_ID_LENGTH);
}

bool history_read(const struct store *store, struct history *out, char **error) {
    struct buffer id = {0};
    struct buffer text = {0};
    *error = NULL;
    *out = (struct history){0};
    bool read = read_entry(store, ID_KEY, &id, error) && read_entry(store, HISTORY_KEY, &text, error);
    if (read && !history_parse(buffer_bytes(&text), out)) {
        log_warning("the database's history of masters is damaged and counts as unknown");
        *out = (struct history){0};
    }
    if (read)
        follow_foreign_id(buffer_bytes(&id), out);
    buffer_release(&id);
    buffer_release(&text);
    return read;
}

const char *history_id(const struct history *history) {
    return history->count == 0 ? NULL : history->entries[history->count - 1].id;
}

bool history_common(const struct history *history, uint64_t latest, struct bytes id, uint64_t sequence,
                    uint64_t *common) {
    for (size_t i = history->count; i-- > 0;) {
        const struct history_entry *entry = &history->entries[i];
        if (!bytes_equal(bytes_from_text(entry->id), id))
            continue;
        uint64_t last = i + 1 < history->count ? history->entries[i + 1].first - 1 : latest;
        *common = sequence < last ? sequence : last;
        return true;
    }
    return false;
}

uint64_t history_last_shared(const struct history *one, uint64_t latest_of_one, const struct history *other,
                             uint64_t latest_of_other) {
    for (size_t i = one->count; i-- > 0;) {
        uint64_t end_of_one = i + 1 < one->count ? one->entries[i + 1].first - 1 : latest_of_one;
        uint64_t common = 0;
        if (history_common(other, latest_of_other, bytes_from_text(one->entries[i].id), end_of_one, &common))
            return common;
    }
    return 0;
}

// --- Writing ---

static void make_id(char id[HISTORY_ID_LENGTH + 1]) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (size_t i = 0; i < HISTORY_ID_LENGTH; i++)
        id[i] = digits[random_below(sizeof(digits) - 1)];
    id[HISTORY_ID_LENGTH] = '\0';
}

static void add_entry(struct history *history, uint64_t first) {
    if (history->count == HISTORY_MAX) {
        memmove(history->entries, history->entries + 1, (HISTORY_MAX - 1) * sizeof(history->entries[0]));
        history->count--;
    }
    struct history_entry *entry = &history->entries[history->count++];
    make_id(entry->id);
    entry->first = first;
}

static void put(rocksdb_writebatch_t *batch, const struct store *store, struct bytes key,
                struct bytes value) {
    rocksdb_writebatch_put_cf(batch, store->families[FAMILY_PROPAGATE], key.data, key.length, value.data,
                              value.length);
}

static char *write_history(struct store *store, const struct history *history) {
    char text[TEXT_SIZE];
    char *reason = NULL;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    history_print(history, text, sizeof(text));
    put(batch, store, ID_KEY, bytes_from_text(history_id(history)));
    put(batch, store, HISTORY_KEY, bytes_from_text(text));
    rocksdb_write(store->database, store->options.write, batch, &reason);
    rocksdb_writebatch_destroy(batch);
    return reason;
}

void history_begin_with_next_commit(struct store *store) {
    atomic_store_explicit(&store->history_is_due, true, memory_order_relaxed);
}

char *history_begin_if_due(struct store *store) {
    struct history history;
    char *reason = NULL;
    if (!atomic_load_explicit(&store->history_is_due, memory_order_relaxed))
        return NULL;
    if (!history_read(store, &history, &reason))
        return reason;
    add_entry(&history, store_latest_sequence(store) + 1);
    reason = write_history(store, &history);
    if (reason != NULL)
        return reason;
    atomic_store_explicit(&store->history_is_due, false, memory_order_relaxed);
    log_info("writes from sequence number %" PRIu64 " on have the replication id %s",
             history.entries[history.count - 1].first, history_id(&history));
    return NULL;
}
