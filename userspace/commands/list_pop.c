// SPDX-License-Identifier: Apache-2.0
//
// LMPOP LMOVE RPOPLPUSH, and what pops several elements. Uses: arguments, list_value.
#include "commands/list_pop.h"

#include "commands/arguments.h"
#include "commands/handlers.h"

// The walk ends before anything is staged.
bool list_pop(struct command_context *context, struct list *list, enum list_end end, uint64_t count,
              struct output_mark before) {
    struct list_walk walk;
    struct bytes element;
    uint64_t length = list_length(list);
    uint64_t taken = 0;
    count = count < length ? count : length;
    reply_array(context->reply, count);
    list_walk_begin(list, end == LIST_LEFT ? 0 : length - 1, end == LIST_RIGHT, &walk);
    for (; taken < count && list_walk_next(&walk, &element); taken++)
        reply_bulk(context->reply, element);
    if (!list_walk_end(context, &walk, before, count - taken))
        return false;
    if (count == 0)
        return true;
    if (count == length) {
        list_clear(list);
        return true;
    }
    list_drop(list, end, count);
    list_save(list);
    return true;
}

// --- LMOVE ---

// Within one list the element goes round. Where it stays is a write all the same: to the lease, to who
// watches the list, and to who is told of changes.
static void rotate(struct list *list, enum list_end from, enum list_end to, struct bytes element) {
    if (from != to) {
        list_drop(list, from, 1);
        list_push(list, to, element);
    }
    list_save(list);
}

static void name_move(struct command_context *context, struct list *source, enum list_end from,
                      enum list_end to) {
    const struct bytes left = BYTES_LITERAL("left");
    const struct bytes right = BYTES_LITERAL("right");
    const struct bytes words[] = {context->arguments[1], context->arguments[2],
                                  from == LIST_LEFT ? left : right, to == LIST_LEFT ? left : right};
    list_name(source, LOG_LMOVE, words, sizeof(words) / sizeof(words[0]));
}

static bool stage_move(struct command_context *context, struct list *source, enum list_end from,
                       enum list_end to, struct bytes element) {
    struct list destination;
    name_move(context, source, from, to);
    if (bytes_equal(context->arguments[1], context->arguments[2])) {
        rotate(source, from, to, element);
        return true;
    }
    if (list_write(context, 2, &destination) == COLLECTION_FAILED)
        return false;
    destination.is_named = true; // by the same name
    list_drop(source, from, 1);
    list_save(source);
    list_push(&destination, to, element);
    list_save(&destination);
    return true;
}

void list_move(struct command_context *context, enum list_end from, enum list_end to) {
    struct list source;
    struct store_value value;
    enum collection_status status = list_read(context, 1, &source);
    if (status == COLLECTION_MISSING)
        reply_null(context->reply);
    if (status != COLLECTION_FOUND ||
        !list_get(context, &source, from == LIST_LEFT ? 0 : list_length(&source) - 1, &value))
        return;
    if (stage_move(context, &source, from, to, value.payload))
        reply_bulk(context->reply, value.payload);
    store_value_release(&value);
}

void command_lmove(struct command_context *context) {
    enum list_end from = LIST_LEFT;
    enum list_end to = LIST_LEFT;
    if (list_argument_end(context, 3, &from) && list_argument_end(context, 4, &to))
        list_move(context, from, to);
}

void command_rpoplpush(struct command_context *context) {
    list_move(context, LIST_RIGHT, LIST_LEFT);
}

// --- LMPOP ---

bool list_pop_first(struct command_context *context, const struct list_pop_arguments *asked) {
    struct output_mark before = output_mark(&context->reply->output);
    for (size_t i = asked->first_key; i < asked->first_key + asked->keys; i++) {
        struct list list;
        enum collection_status status = list_read(context, i, &list);
        if (status == COLLECTION_MISSING)
            continue;
        if (status == COLLECTION_FAILED)
            return true;
        reply_array(context->reply, 2);
        reply_bulk(context->reply, context->arguments[i]);
        (void)list_pop(context, &list, asked->end, asked->count, before);
        return true;
    }
    return false;
}

bool list_read_pop_arguments(struct command_context *context, size_t at, struct list_pop_arguments *out) {
    size_t keys = 0;
    int64_t count = 1;
    if (!argument_key_count(context, at, &keys))
        return false;
    if (keys >= context->count - at - 1) {
        reply_syntax_error(context);
        return false;
    }
    size_t end_at = at + 1 + keys;
    if (!list_argument_end(context, end_at, &out->end))
        return false;
    bool has_count = end_at + 3 == context->count && argument_is(context, end_at + 1, "COUNT");
    if (!has_count && end_at + 1 != context->count) {
        reply_syntax_error(context);
        return false;
    }
    if (has_count && !argument_positive(context, end_at + 2, &count, "ERR count should be greater than 0"))
        return false;
    out->first_key = at + 1;
    out->keys = keys;
    out->count = (uint64_t)count;
    return true;
}

void command_lmpop(struct command_context *context) {
    struct list_pop_arguments asked;
    if (list_read_pop_arguments(context, 1, &asked) && !list_pop_first(context, &asked))
        reply_null_array(context->reply);
}
