// SPDX-License-Identifier: Apache-2.0
//
// Positions of lists. Uses: arguments, collection_value.
#include "commands/list_value.h"

#include "base/assert.h"
#include "commands/arguments.h"

enum { POSITION_SIZE = 8, EXTRA_SIZE = 2 * POSITION_SIZE };
#define FIRST_POSITION (UINT64_MAX / 2)

static void encode_position(char out[POSITION_SIZE], uint64_t position) {
    for (int i = POSITION_SIZE - 1; i >= 0; i--, position >>= 8)
        out[i] = (char)(position & 0xff);
}

static uint64_t decode_position(const char in[POSITION_SIZE]) {
    uint64_t position = 0;
    for (int i = 0; i < POSITION_SIZE; i++)
        position = position << 8 | (unsigned char)in[i];
    return position;
}

static void begin_anew(struct list *list) {
    list->is_named = false;
    list->head = FIRST_POSITION;
    list->tail = FIRST_POSITION;
    list->collection.extra_length = EXTRA_SIZE;
}

static enum collection_status interpret(struct command_context *context, enum collection_status status,
                                        struct list *list) {
    if (status != COLLECTION_FOUND || !list->collection.existed) {
        begin_anew(list);
        return status;
    }
    list->is_named = false;
    if (list->collection.extra_length == EXTRA_SIZE) {
        list->head = decode_position(list->collection.extra);
        list->tail = decode_position(list->collection.extra + POSITION_SIZE);
        if (list->tail >= list->head && list->tail - list->head == list->collection.metadata.size)
            return status;
    }
    reply_error(context->reply, "ERR the stored list is damaged: its ends do not fit its length");
    return COLLECTION_FAILED;
}

enum collection_status list_read(struct command_context *context, size_t index, struct list *out) {
    return interpret(context, collection_read(context, index, VALUE_LIST, &out->collection), out);
}

enum collection_status list_write(struct command_context *context, size_t index, struct list *out) {
    return interpret(context, collection_write(context, index, VALUE_LIST, &out->collection), out);
}

void list_open_anew(struct command_context *context, size_t index, struct list *out) {
    collection_open_anew(context->session, context->arguments[index], VALUE_LIST, &out->collection);
    begin_anew(out);
}

uint64_t list_length(const struct list *list) {
    return list->tail - list->head;
}

bool list_get(struct command_context *context, const struct list *list, uint64_t place,
              struct store_value *out) {
    char position[POSITION_SIZE];
    bool found = false;
    encode_position(position, list->head + place);
    if (!collection_look_up(context, &list->collection, (struct bytes){position, POSITION_SIZE}, &found, out))
        return false;
    if (!found)
        reply_error(context->reply, "ERR the stored list is damaged: an element is missing");
    return found;
}

static void put(struct list *list, uint64_t position, struct bytes element) {
    char encoded[POSITION_SIZE];
    encode_position(encoded, position);
    collection_put(&list->collection, FAMILY_DEFAULT, (struct bytes){encoded, POSITION_SIZE}, element);
}

void list_name(struct list *list, enum log_command command, const struct bytes *words, size_t count) {
    stage_name(list->collection.session, VALUE_LIST, command, words, count);
    list->is_named = true;
}

static void name_end(const struct list *list, enum list_end end, enum log_command left,
                     enum log_command right) {
    if (!list->is_named)
        stage_name(list->collection.session, VALUE_LIST, end == LIST_LEFT ? left : right, NULL, 0);
}

void list_set(struct list *list, uint64_t place, struct bytes element) {
    always_assert(place < list_length(list), "an element that is there is overwritten");
    put(list, list->head + place, element);
}

void list_push(struct list *list, enum list_end end, struct bytes element) {
    always_assert(list->head > 0 && list->tail < UINT64_MAX, "2^63 elements are never pushed");
    name_end(list, end, LOG_LPUSH, LOG_RPUSH);
    put(list, end == LIST_LEFT ? --list->head : list->tail++, element);
}

void list_drop(struct list *list, enum list_end end, uint64_t count) {
    always_assert(count <= list_length(list), "elements that are there are taken away");
    name_end(list, end, LOG_LPOP, LOG_RPOP);
    for (; count != 0; count--) {
        char encoded[POSITION_SIZE];
        encode_position(encoded, end == LIST_LEFT ? list->head++ : --list->tail);
        collection_delete(&list->collection, FAMILY_DEFAULT, (struct bytes){encoded, POSITION_SIZE});
    }
}

void list_clear(struct list *list) {
    list->head = list->tail;
    list_save(list);
}

void list_save(struct list *list) {
    encode_position(list->collection.extra, list->head);
    encode_position(list->collection.extra + POSITION_SIZE, list->tail);
    list->collection.metadata.size = list_length(list);
    collection_save(&list->collection);
}

void list_walk_begin(const struct list *list, uint64_t place, bool backwards, struct list_walk *walk) {
    char encoded[POSITION_SIZE];
    encode_position(encoded, list->head + place);
    *walk = (struct list_walk){.iterator = collection_iterator_open(&list->collection, FAMILY_DEFAULT),
                               .backwards = backwards};
    if (backwards)
        collection_iterator_seek_back(walk->iterator, (struct bytes){encoded, POSITION_SIZE});
    else
        collection_iterator_seek(walk->iterator, (struct bytes){encoded, POSITION_SIZE});
}

bool list_walk_next(struct list_walk *walk, struct bytes *element) {
    return walk->backwards ? collection_iterator_previous(walk->iterator, NULL, element)
                           : collection_iterator_next(walk->iterator, NULL, element);
}

void list_walk_rewind(struct list_walk *walk) {
    if (walk->backwards)
        collection_iterator_seek_last(walk->iterator);
    else
        collection_iterator_seek(walk->iterator, (struct bytes){0});
}

enum store_status list_walk_status(const struct list_walk *walk) {
    return collection_iterator_status(walk->iterator);
}

void list_walk_close(struct list_walk *walk) {
    collection_iterator_close(walk->iterator);
    walk->iterator = NULL;
}

bool list_walk_end(struct command_context *context, struct list_walk *walk, struct output_mark before,
                   uint64_t missing) {
    return collection_end_walk(context, walk->iterator, before, missing);
}

bool list_place(const struct list *list, int64_t index, uint64_t *place) {
    uint64_t length = list_length(list);
    uint64_t from_end = index < 0 ? -(uint64_t)index : 0;
    if (index >= 0)
        *place = (uint64_t)index;
    else if (from_end <= length)
        *place = length - from_end;
    else
        return false;
    return *place < length;
}

bool list_argument_end(struct command_context *context, size_t index, enum list_end *end) {
    if (argument_is(context, index, "LEFT"))
        *end = LIST_LEFT;
    else if (argument_is(context, index, "RIGHT"))
        *end = LIST_RIGHT;
    else {
        reply_syntax_error(context);
        return false;
    }
    return true;
}
