// SPDX-License-Identifier: Apache-2.0
//
// Lists: their ends and single elements. What walks over them is in list_range.c, what moves elements between
// two of them in list_pop.c. Uses: arguments, list_pop, string_value.
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/list_pop.h"
#include "commands/string_value.h"

// --- Pushing ---

static void push(struct command_context *context, enum list_end end, bool must_exist) {
    struct list list;
    enum collection_status status = must_exist ? list_read(context, 1, &list) : list_write(context, 1, &list);
    if (status == COLLECTION_MISSING)
        reply_integer(context->reply, 0);
    if (status != COLLECTION_FOUND)
        return;
    for (size_t i = 2; i < context->count; i++)
        list_push(&list, end, context->arguments[i]);
    list_save(&list);
    reply_integer(context->reply, (int64_t)list_length(&list));
}

void command_lpush(struct command_context *context) {
    push(context, LIST_LEFT, false);
}

void command_rpush(struct command_context *context) {
    push(context, LIST_RIGHT, false);
}

void command_lpushx(struct command_context *context) {
    push(context, LIST_LEFT, true);
}

void command_rpushx(struct command_context *context) {
    push(context, LIST_RIGHT, true);
}

// --- Popping ---

static void pop_one(struct command_context *context, enum list_end end) {
    struct list list;
    struct store_value value;
    enum collection_status status = list_read(context, 1, &list);
    if (status == COLLECTION_MISSING)
        reply_null(context->reply);
    if (status != COLLECTION_FOUND ||
        !list_get(context, &list, end == LIST_LEFT ? 0 : list_length(&list) - 1, &value))
        return;
    list_drop(&list, end, 1);
    list_save(&list);
    string_reply(context->reply, &value);
}

static void pop_many(struct command_context *context, enum list_end end) {
    struct list list;
    int64_t count = 0;
    if (!argument_not_negative(context, 2, &count, "ERR value is out of range, must be positive"))
        return;
    enum collection_status status = list_read(context, 1, &list);
    if (status == COLLECTION_MISSING)
        reply_null_array(context->reply);
    if (status == COLLECTION_FOUND)
        (void)list_pop(context, &list, end, (uint64_t)count, output_mark(&context->reply->output));
}

static void pop(struct command_context *context, enum list_end end) {
    if (context->count > 3)
        reply_arity_error(context);
    else if (context->count == 3)
        pop_many(context, end);
    else
        pop_one(context, end);
}

void command_lpop(struct command_context *context) {
    pop(context, LIST_LEFT);
}

void command_rpop(struct command_context *context) {
    pop(context, LIST_RIGHT);
}

// --- Single elements ---

void command_llen(struct command_context *context) {
    struct list list;
    if (list_read(context, 1, &list) != COLLECTION_FAILED)
        reply_integer(context->reply, (int64_t)list_length(&list));
}

void command_lindex(struct command_context *context) {
    struct list list;
    struct store_value value;
    int64_t index = 0;
    uint64_t place = 0;
    enum collection_status status = list_read(context, 1, &list);
    if (status == COLLECTION_MISSING)
        reply_null(context->reply);
    if (status != COLLECTION_FOUND || !argument_integer(context, 2, &index))
        return;
    if (!list_place(&list, index, &place))
        reply_null(context->reply);
    else if (list_get(context, &list, place, &value))
        string_reply(context->reply, &value);
}

void command_lset(struct command_context *context) {
    struct list list;
    int64_t index = 0;
    uint64_t place = 0;
    enum collection_status status = list_read(context, 1, &list);
    if (status == COLLECTION_MISSING)
        reply_error(context->reply, "ERR no such key");
    if (status != COLLECTION_FOUND || !argument_integer(context, 2, &index))
        return;
    if (!list_place(&list, index, &place)) {
        reply_error(context->reply, "ERR index out of range");
        return;
    }
    char text[NUMBER_INTEGER_SIZE];
    struct bytes word = {text, number_write_integer(text, (int64_t)place)};
    list_name(&list, LOG_LSET, &word, 1);
    list_set(&list, place, context->arguments[3]);
    reply_ok(context->reply);
}
