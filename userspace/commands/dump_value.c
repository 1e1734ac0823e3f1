// SPDX-License-Identifier: Apache-2.0
//
// The elements' bytes lie one behind the other in one buffer. Uses: memory, buffer.
#include "commands/dump_value.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>

struct dump_element {
    size_t offset, length;
    double score;
};

// A session stages no more than this in one command, whatever it is made of.
enum { ELEMENTS_MAX = 1 << 24, TEXT_MAX = 1 << 30, FIRST_ROOM = 16 };

char *dump_value_add_room(struct dump_value *value, size_t length) {
    if (value->count == ELEMENTS_MAX || length > TEXT_MAX - value->text.length)
        return NULL;
    if (value->count == value->room) {
        value->room = value->room == 0 ? FIRST_ROOM : 2 * value->room;
        value->elements = memory_reallocate(value->elements, value->room * sizeof(*value->elements));
    }
    char *room = buffer_reserve(&value->text, length + 1); // never NULL
    value->elements[value->count++] = (struct dump_element){.offset = value->text.length, .length = length};
    value->text.length += length;
    return room;
}

bool dump_value_add(struct dump_value *value, struct bytes element) {
    char *room = dump_value_add_room(value, element.length);
    if (room != NULL && element.length != 0)
        memcpy(room, element.data, element.length);
    return room != NULL;
}

struct bytes dump_value_at(const struct dump_value *value, size_t index) {
    always_assert(index < value->count, "an element that is there is looked at");
    const struct dump_element *element = &value->elements[index];
    return (struct bytes){.data = value->text.data + element->offset, .length = element->length};
}

void dump_value_set_score(struct dump_value *value, size_t index, double score) {
    always_assert(index < value->count, "an element that is there gets a score");
    value->elements[index].score = score;
}

double dump_value_score(const struct dump_value *value, size_t index) {
    always_assert(index < value->count, "an element that is there has a score");
    return value->elements[index].score;
}

void dump_value_release(struct dump_value *value) {
    buffer_release(&value->text);
    free(value->elements);
    *value = (struct dump_value){0};
}

static int compare(const void *left, const void *right) {
    const struct bytes *a = left;
    const struct bytes *b = right;
    return bytes_compare(*a, *b);
}

bool dump_value_has_duplicates(const struct dump_value *value) {
    size_t step = value->type == VALUE_HASH ? 2 : 1;
    size_t count = value->count / step;
    bool found = false;
    if (value->type == VALUE_STRING || value->type == VALUE_LIST || count < 2)
        return false;
    struct bytes *names = memory_allocate(count * sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = dump_value_at(value, i * step);
    qsort(names, count, sizeof(*names), compare);
    for (size_t i = 1; i < count && !found; i++)
        found = bytes_equal(names[i - 1], names[i]);
    free(names);
    return found;
}
