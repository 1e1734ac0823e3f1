// SPDX-License-Identifier: Apache-2.0
//
// A hash table of members. Uses: base, server/hash_map.
#include "commands/member_table.h"

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
    const size_t most = (size_t)1 << 30;
    return table->bytes > most;
}

double *member_table_at(struct member_table *table, struct bytes member, bool *is_new) {
    struct table_entry *entry = NULL;
    HASH_FIND(hh, table->entries, member.data, (unsigned)member.length, entry);
    *is_new = entry == NULL;
    if (entry != NULL)
        return &entry->score;
    entry = memory_allocate_zeroed(1, sizeof(*entry) + member.length);
    table->bytes += sizeof(*entry) + member.length;
    entry->length = member.length;
    memcpy(entry->member, member.data, member.length);
    HASH_ADD_KEYPTR(hh, table->entries, entry->member, (unsigned)entry->length, entry);
    return &entry->score;
}

static int compare(const struct table_entry *a, const struct table_entry *b) {
    return bytes_compare(member_of(a), member_of(b));
}

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
