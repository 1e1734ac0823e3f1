// SPDX-License-Identifier: Apache-2.0
//
// Gathered changes: their bytes one behind the other, and an index of chains by hash, newest first. Uses:
// base, store/key_hash.
#include "store/gathered.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "store/key_hash.h"

#include <stdlib.h>

enum { FIRST_CHAINS = 256, NO_CHANGE = UINT32_MAX };

enum change_kind { CHANGE_PUT, CHANGE_DELETE, CHANGE_LOG_DATA };

struct change {
    enum change_kind kind;
    enum column_family family;
    uint64_t hash;
    size_t at, key_length, value_length; // the key, and the value behind it
    uint32_t next;                       // the next older one of its chain
    uint32_t overtaken;                  // the older one of the same entry
    uint32_t name;                       // the log data before it
    bool is_overtaken;                   // needs not be written
};

struct gathered {
    struct key_hash hash;
    struct buffer bytes;
    struct change *changes;
    uint32_t count, capacity;
    uint32_t name; // the newest log data
    uint32_t *chains;
    uint32_t chain_count; // a power of two, at least as many as there are changes
};

static void make_chains(struct gathered *gathered, uint32_t count) {
    free(gathered->chains);
    gathered->chains = memory_allocate(count * sizeof(*gathered->chains));
    gathered->chain_count = count;
    for (uint32_t i = 0; i < count; i++)
        gathered->chains[i] = NO_CHANGE;
}

struct gathered *gathered_open(void) {
    struct gathered *gathered = memory_allocate_zeroed(1, sizeof(*gathered));
    gathered->hash = key_hash_new();
    gathered->name = NO_CHANGE;
    make_chains(gathered, FIRST_CHAINS);
    return gathered;
}

void gathered_close(struct gathered *gathered) {
    if (gathered == NULL)
        return;
    buffer_release(&gathered->bytes);
    free(gathered->changes);
    free(gathered->chains);
    free(gathered);
}

static uint32_t *chain_of(const struct gathered *gathered, uint64_t hash) {
    return &gathered->chains[hash & (gathered->chain_count - 1)];
}

static struct bytes key_of(const struct gathered *gathered, const struct change *change) {
    return (struct bytes){gathered->bytes.data + change->at, change->key_length};
}

static struct bytes value_of(const struct gathered *gathered, const struct change *change) {
    return (struct bytes){gathered->bytes.data + change->at + change->key_length, change->value_length};
}

// The newest change of the entry.
static uint32_t find(const struct gathered *gathered, enum column_family family, struct bytes key,
                     uint64_t hash) {
    uint32_t index = *chain_of(gathered, hash);
    while (index != NO_CHANGE) {
        const struct change *change = &gathered->changes[index];
        if (change->hash == hash && change->family == family && bytes_equal(key_of(gathered, change), key))
            break;
        index = change->next;
    }
    return index;
}

static void lengthen_chains(struct gathered *gathered) {
    make_chains(gathered, gathered->chain_count * 2);
    for (uint32_t i = 0; i < gathered->count; i++) {
        struct change *change = &gathered->changes[i];
        if (change->kind == CHANGE_LOG_DATA)
            continue;
        uint32_t *chain = chain_of(gathered, change->hash);
        change->next = *chain;
        *chain = i;
    }
}

static struct change *add(struct gathered *gathered, enum change_kind kind) {
    always_assert(gathered->count < NO_CHANGE / 2, "what is gathered is bounded by its bytes");
    if (gathered->count == gathered->chain_count)
        lengthen_chains(gathered);
    if (gathered->count == gathered->capacity) {
        gathered->capacity = gathered->capacity == 0 ? 64 : gathered->capacity * 2;
        gathered->changes =
            memory_reallocate(gathered->changes, gathered->capacity * sizeof(*gathered->changes));
    }
    struct change *change = &gathered->changes[gathered->count++];
    *change = (struct change){.kind = kind, .at = gathered->bytes.length, .name = gathered->name};
    return change;
}

static bool may_be_left_out(const struct gathered *gathered, uint32_t older, const struct change *newer) {
    const struct change *change = &gathered->changes[older];
    return change->kind == CHANGE_PUT && change->family == FAMILY_METADATA && change->name == newer->name;
}

static struct change *add_entry(struct gathered *gathered, enum change_kind kind, enum column_family family,
                                struct bytes key) {
    uint64_t hash = key_hash_of(&gathered->hash, key);
    uint32_t overtaken = find(gathered, family, key, hash);
    struct change *change = add(gathered, kind);
    uint32_t *chain = chain_of(gathered, hash);
    change->family = family;
    change->hash = hash;
    change->key_length = key.length;
    change->next = *chain;
    change->overtaken = overtaken;
    *chain = gathered->count - 1;
    if (overtaken != NO_CHANGE)
        gathered->changes[overtaken].is_overtaken = may_be_left_out(gathered, overtaken, change);
    buffer_append(&gathered->bytes, key);
    return change;
}

void gathered_put(struct gathered *gathered, enum column_family family, struct bytes key,
                  const struct bytes *parts, size_t count) {
    struct change *change = add_entry(gathered, CHANGE_PUT, family, key);
    for (size_t i = 0; i < count; i++) {
        buffer_append(&gathered->bytes, parts[i]);
        change->value_length += parts[i].length;
    }
}

void gathered_delete(struct gathered *gathered, enum column_family family, struct bytes key) {
    (void)add_entry(gathered, CHANGE_DELETE, family, key);
}

void gathered_log_data(struct gathered *gathered, struct bytes text) {
    struct change *change = add(gathered, CHANGE_LOG_DATA);
    change->value_length = text.length;
    gathered->name = gathered->count - 1;
    buffer_append(&gathered->bytes, text);
}

enum gathered_answer gathered_find(const struct gathered *gathered, enum column_family family,
                                   struct bytes key, struct bytes *value) {
    uint32_t index = find(gathered, family, key, key_hash_of(&gathered->hash, key));
    if (index == NO_CHANGE)
        return GATHERED_UNCHANGED;
    const struct change *change = &gathered->changes[index];
    if (change->kind == CHANGE_DELETE)
        return GATHERED_DELETED;
    *value = value_of(gathered, change);
    return GATHERED_PUT;
}

size_t gathered_count(const struct gathered *gathered) {
    return gathered->count;
}

static void drop_last(struct gathered *gathered) {
    struct change *change = &gathered->changes[--gathered->count];
    gathered->bytes.length = change->at;
    if (change->kind == CHANGE_LOG_DATA) {
        gathered->name = change->name;
        return;
    }
    *chain_of(gathered, change->hash) = change->next;
    if (change->overtaken != NO_CHANGE)
        gathered->changes[change->overtaken].is_overtaken = false;
}

void gathered_drop_behind(struct gathered *gathered, size_t count) {
    always_assert(count <= gathered->count, "what is dropped was added");
    while (gathered->count > count)
        drop_last(gathered);
}

void gathered_clear(struct gathered *gathered) {
    enum { BYTES_KEPT_MAX = 1 << 20, CHANGES_KEPT_MAX = 1 << 13 };
    gathered_drop_behind(gathered, 0);
    if (gathered->bytes.capacity > BYTES_KEPT_MAX)
        buffer_release(&gathered->bytes);
    if (gathered->capacity <= CHANGES_KEPT_MAX)
        return;
    free(gathered->changes);
    gathered->changes = NULL;
    gathered->capacity = 0;
    make_chains(gathered, FIRST_CHAINS);
}

static void write_change(const struct gathered *gathered, const struct change *change,
                         rocksdb_column_family_handle_t *family, rocksdb_writebatch_t *batch) {
    struct bytes key = key_of(gathered, change);
    struct bytes value = value_of(gathered, change);
    if (change->kind == CHANGE_PUT)
        rocksdb_writebatch_put_cf(batch, family, key.data, key.length, value.data, value.length);
    else if (change->kind == CHANGE_DELETE)
        rocksdb_writebatch_delete_cf(batch, family, key.data, key.length);
    else
        rocksdb_writebatch_put_log_data(batch, value.data, value.length);
}

void gathered_write(const struct gathered *gathered, rocksdb_column_family_handle_t *const *families,
                    rocksdb_writebatch_t *batch) {
    for (uint32_t i = 0; i < gathered->count; i++) {
        const struct change *change = &gathered->changes[i];
        if (!change->is_overtaken)
            write_change(gathered, change, families[change->family], batch);
    }
}
