// SPDX-License-Identifier: Apache-2.0
//
// BLPOP BRPOP BLMPOP BLMOVE BRPOPLPUSH: popping that waits for an element. Uses: arguments, blocking_timeout,
// list_pop, server/blocking.
#include "commands/arguments.h"
#include "commands/blocking_timeout.h"
#include "commands/handlers.h"
#include "commands/list_pop.h"
#include "server/blocking.h"

// --- BLPOP, BRPOP ---

// Pops one element of the list at argument `index`. False: there is none, and nothing is replied.
static bool pop_one(struct command_context *context, size_t index, enum list_end end) {
    struct list list;
    struct store_value value;
    enum collection_status status = list_read(context, index, &list);
    if (status == COLLECTION_MISSING)
        return false;
    if (status != COLLECTION_FOUND ||
        !list_get(context, &list, end == LIST_LEFT ? 0 : list_length(&list) - 1, &value))
        return true;
    list_drop(&list, end, 1);
    list_save(&list);
    reply_array(context->reply, 2);
    reply_bulk(context->reply, context->arguments[index]);
    reply_bulk(context->reply, value.payload);
    store_value_release(&value);
    return true;
}

static void pop(struct command_context *context, enum list_end end) {
    struct blocking_keys keys;
    size_t index = 0;
    uint64_t timeout_ms = 0;
    if (!blocking_timeout(context, context->count - 1, &timeout_ms))
        return;
    blocking_keys_begin(context, 1, context->count - 2, VALUE_LIST, &keys);
    while (blocking_keys_next(context, &keys, &index)) {
        if (pop_one(context, index, end))
            return;
    }
    blocking_wait(context, &keys, timeout_ms, BLOCKING_NULL_ARRAY);
}

void command_blpop(struct command_context *context) {
    pop(context, LIST_LEFT);
}

void command_brpop(struct command_context *context) {
    pop(context, LIST_RIGHT);
}

// --- BLMPOP ---

void command_blmpop(struct command_context *context) {
    struct list_pop_arguments asked;
    struct blocking_keys keys;
    uint64_t timeout_ms = 0;
    if (!list_read_pop_arguments(context, 2, &asked) || !blocking_timeout(context, 1, &timeout_ms))
        return;
    blocking_keys_begin(context, asked.first_key, asked.keys, VALUE_LIST, &keys);
    asked.keys = 1;
    while (blocking_keys_next(context, &keys, &asked.first_key)) {
        if (list_pop_first(context, &asked))
            return;
    }
    blocking_wait(context, &keys, timeout_ms, BLOCKING_NULL_ARRAY);
}

// --- BLMOVE, BRPOPLPUSH ---

// True if there is something to move, or to complain of.
static bool has_source(struct command_context *context) {
    return store_exists(context->session, context->arguments[1], context->now) != STORE_NOT_FOUND;
}

static void move(struct command_context *context, enum list_end from, enum list_end to, size_t timeout_at) {
    struct blocking_keys keys;
    size_t index = 0;
    uint64_t timeout_ms = 0;
    if (!blocking_timeout(context, timeout_at, &timeout_ms))
        return;
    blocking_keys_begin(context, 1, 1, VALUE_LIST, &keys);
    if (blocking_keys_next(context, &keys, &index) && has_source(context))
        list_move(context, from, to);
    else
        blocking_wait(context, &keys, timeout_ms, BLOCKING_NULL);
}

void command_blmove(struct command_context *context) {
    enum list_end from = LIST_LEFT;
    enum list_end to = LIST_LEFT;
    if (list_argument_end(context, 3, &from) && list_argument_end(context, 4, &to))
        move(context, from, to, 5);
}

void command_brpoplpush(struct command_context *context) {
    move(context, LIST_RIGHT, LIST_LEFT, 3);
}
