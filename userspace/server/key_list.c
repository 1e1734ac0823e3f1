// SPDX-License-Identifier: Apache-2.0
//
// The keys that a command or a transaction locks. Uses: memory.
#include "base/memory.h"
#include "server/dispatch_internal.h"

#include <stdlib.h>

void key_list_reserve(struct key_list *list, size_t more) {
    if (list->count + more <= list->capacity)
        return;
    size_t capacity = list->capacity * 2 > list->count + more ? list->capacity * 2 : list->count + more;
    struct bytes *grown = memory_allocate(capacity * sizeof(*grown));
    if (list->count != 0)
        memcpy(grown, list->keys, list->count * sizeof(*grown));
    if (list->on_heap)
        free(list->keys);
    list->keys = grown;
    list->capacity = capacity;
    list->on_heap = true;
}

void key_list_add(struct key_list *list, struct bytes key) {
    key_list_reserve(list, 1);
    list->keys[list->count++] = key;
}

void key_list_release(struct key_list *list) {
    if (list->on_heap)
        free(list->keys);
    *list = (struct key_list){0};
}
