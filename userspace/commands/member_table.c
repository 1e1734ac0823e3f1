// SPDX-License-Identifier: Apache-2.0
//
// A hash table of members. Uses: base, store/key_hash, server/hash_map, working_set.
#include "commands/member_table.h"

#include "commands/working_set.h"
#include "server/hash_map.h"

#include <string.h>

struct table_entry {
    UT_hash_handle hh;
    double score;
    size_t length;
    char member[];
};

static struct bytes member_of(const struct table_entry *entry) {
    return (struct bytes){entry->member, entry->length};
}

void member_table_release(struct member_table *table) {
    struct table_entry *entry = table->entries;
    HASH_CLEAR(hh, table->entries);
    while (entry != NULL) {
        struct table_entry *next = entry->hh.next;
        free(entry);
        entry = next;
    }
    table->bytes = 0;
}

bool member_table_is_too_big(const struct member_table *table) {
    return table->bytes > WORKING_SET_MAX;
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct table_entry *find(const struct member_table *table, struct bytes member, unsigned hash) {
    struct table_entry *entry = NULL;
    const char *data = member.length == 0 ? "" : member.data; // memcmp() wants an address in any case
    HASH_FIND_BYHASHVALUE(hh, table->entries, data, (unsigned)member.length, hash, entry);
    return entry;
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct table_entry *add(struct member_table *table, struct bytes member, unsigned hash) {
    struct table_entry *entry = memory_allocate_zeroed(1, sizeof(*entry) + member.length);
    table->bytes += sizeof(*entry) + member.length;
    entry->length = member.length;
    if (member.length != 0)
        memcpy(entry->member, member.data, member.length);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, table->entries, entry->member, (unsigned)entry->length, hash, entry);
    return entry;
}

double *member_table_at(struct member_table *table, struct bytes member, bool *is_new) {
    if (table->entries == NULL)
        table->hash = key_hash_new();
    unsigned hash = (unsigned)key_hash_of(&table->hash, member);
    struct table_entry *entry = find(table, member, hash);
    *is_new = entry == NULL;
    if (entry == NULL)
        entry = add(table, member, hash);
    return &entry->score;
}

static int compare(const struct table_entry *a, const struct table_entry *b) {
    return bytes_compare(member_of(a), member_of(b));
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
void member_table_sort(struct member_table *table) {
    HASH_SORT(table->entries, compare);
}

bool member_table_next(const struct member_table *table, const struct table_entry **place,
                       struct bytes *member, double *score) {
    *place = *place == NULL ? table->entries : (*place)->hh.next;
    if (*place == NULL)
        return false;
    *member = member_of(*place);
    *score = (*place)->score;
    return true;
}
