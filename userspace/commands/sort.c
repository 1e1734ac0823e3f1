// SPDX-License-Identifier: Apache-2.0
//
// SORT and SORT_RO. Uses: arguments, collection_value, list_value, sort_items, sort_pattern.
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/list_value.h"
#include "commands/sort_items.h"
#include "commands/sort_pattern.h"

#include <stdlib.h>

struct sort {
    struct sort_order order;
    int64_t offset, limit; // negative limit: all
    size_t destination;    // argument; 0: none
    size_t *patterns;      // arguments of GET
    size_t pattern_count;
};

// --- Options ---

// Keys that patterns name may live in other nodes.
static bool refuse_in_cluster(struct command_context *context, const char *option) {
    if (!store_layout(session_store(context->session))->with_slot)
        return true;
    reply_error_format(context->reply, "ERR %s option of SORT denied in cluster mode.", option);
    return false;
}

static bool take_by(struct command_context *context, size_t index, struct sort *sort) {
    sort->order.by = context->arguments[index];
    sort->order.by_pattern = true;
    if (sort_pattern_is_real(sort->order.by))
        return refuse_in_cluster(context, "BY");
    sort->order.as_stored = true;
    return true;
}

static bool take_get(struct command_context *context, size_t index, struct sort *sort) {
    sort->patterns[sort->pattern_count++] = index;
    return refuse_in_cluster(context, "GET");
}

static bool take_limit(struct command_context *context, size_t index, struct sort *sort) {
    return argument_integer(context, index, &sort->offset) &&
           argument_integer(context, index + 1, &sort->limit);
}

static bool take_store(struct command_context *context, size_t index, struct sort *sort) {
    (void)context;
    sort->destination = index;
    return true;
}

// Takes the option at *index, and moves it to the option's last argument.
static bool take_option(struct command_context *context, bool may_store, size_t *index, struct sort *sort) {
    static const struct {
        const char *name;
        size_t values;
        bool (*take)(struct command_context *context, size_t index, struct sort *sort);
        bool stores;
    } options[] = {
        {"BY", 1, take_by, false},
        {"GET", 1, take_get, false},
        {"LIMIT", 2, take_limit, false},
        {"STORE", 1, take_store, true},
    };
    size_t left = context->count - *index - 1;
    if (argument_is(context, *index, "ASC") || argument_is(context, *index, "DESC")) {
        sort->order.is_descending = argument_is(context, *index, "DESC");
        return true;
    }
    if (argument_is(context, *index, "ALPHA")) {
        sort->order.is_alphabetic = true;
        return true;
    }
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (!argument_is(context, *index, options[i].name) || left < options[i].values ||
            (options[i].stores && !may_store))
            continue;
        size_t value = *index + 1;
        *index += options[i].values;
        return options[i].take(context, value, sort);
    }
    reply_syntax_error(context);
    return false;
}

static bool take_options(struct command_context *context, bool may_store, struct sort *sort) {
    for (size_t i = 2; i < context->count; i++) {
        if (!take_option(context, may_store, &i, sort))
            return false;
    }
    return true;
}

// --- Output ---

// What each GET says of an element. False: the error reply has been written.
static bool look_up_each(struct command_context *context, const struct sort *sort, struct bytes element,
                         struct sort_items *out) {
    struct buffer text = {0};
    bool looked = true;
    for (size_t i = 0; i < sort->pattern_count && looked; i++) {
        bool found = false;
        buffer_clear(&text);
        looked = sort_pattern_look_up(context, context->arguments[sort->patterns[i]], element, &text, &found);
        sort_items_add(out, buffer_bytes(&text), !found);
    }
    buffer_release(&text);
    return looked;
}

// What the elements become: themselves, or what the GETs say of them.
static bool make_output(struct command_context *context, const struct sort *sort,
                        const struct sort_items *items, struct sort_window window, struct sort_items *out) {
    for (uint64_t i = window.first; i < window.end; i++) {
        struct bytes element = sort_items_at(items, i, NULL);
        if (sort->pattern_count == 0)
            sort_items_add(out, element, false);
        else if (!look_up_each(context, sort, element, out))
            return false;
    }
    return true;
}

static void reply_output(struct command_context *context, const struct sort_items *output) {
    reply_array(context->reply, output->count);
    for (size_t i = 0; i < output->count; i++) {
        bool is_missing = false;
        struct bytes text = sort_items_at(output, i, &is_missing);
        if (is_missing)
            reply_null(context->reply);
        else
            reply_bulk(context->reply, text);
    }
}

// What is missing becomes an empty element.
static void store_output(struct command_context *context, const struct sort *sort,
                         const struct sort_items *output) {
    struct list list;
    list_open_anew(context, sort->destination, &list);
    for (size_t i = 0; i < output->count; i++)
        list_push(&list, LIST_RIGHT, sort_items_at(output, i, NULL));
    if (output->count != 0)
        list_save(&list);
    else if (!collection_stage_none(context, context->arguments[sort->destination]))
        return;
    reply_integer(context->reply, (int64_t)output->count);
}

// --- All ---

// What LIMIT leaves of so many elements.
static struct sort_window window_of(const struct sort *sort, uint64_t size) {
    uint64_t first = sort->offset > 0 ? (uint64_t)sort->offset : 0;
    if (first > size)
        first = size;
    uint64_t most = size - first;
    if (sort->limit >= 0 && (uint64_t)sort->limit < most)
        most = (uint64_t)sort->limit;
    return (struct sort_window){.first = first, .end = first + most};
}

// VALUE_NONE: the key is missing. False: the error reply has been written.
static bool find_value(struct command_context *context, enum value_type *type, uint64_t *size) {
    struct store_value value;
    enum store_status status = store_read(context->session, context->arguments[1], context->now, &value);
    *type = VALUE_NONE;
    *size = 0;
    if (status == STORE_NOT_FOUND)
        return true;
    if (status != STORE_OK) {
        reply_store_error(context, status);
        return false;
    }
    *type = value.metadata.type;
    *size = value.metadata.size;
    store_value_release(&value);
    if (*type == VALUE_LIST || *type == VALUE_SET || *type == VALUE_ZSET)
        return true;
    reply_wrong_type(context);
    return false;
}

// In what order a set is stored is not told, so that a list of it is put in a fixed one.
static void settle_order(struct sort *sort, enum value_type type) {
    if (!sort->order.as_stored || type != VALUE_SET || sort->destination == 0)
        return;
    sort->order.as_stored = false;
    sort->order.by_pattern = false;
    sort->order.is_alphabetic = true;
}

static void run_sort(struct command_context *context, struct sort *sort) {
    struct sort_items items = {0};
    struct sort_items output = {0};
    enum value_type type = VALUE_NONE;
    uint64_t size = 0;
    if (!find_value(context, &type, &size))
        return;
    settle_order(sort, type);
    struct sort_window window = window_of(sort, size);
    struct sort_window gathered = sort->order.as_stored ? window : (struct sort_window){0, size};
    bool is_made = type == VALUE_NONE || (sort_items_gather(context, type, &sort->order, gathered, &items) &&
                                          sort_items_order(context, &sort->order, &items));
    window = (struct sort_window){window.first - gathered.first, window.end - gathered.first};
    is_made = is_made && make_output(context, sort, &items, window, &output);
    if (is_made && sort->destination == 0)
        reply_output(context, &output);
    else if (is_made)
        store_output(context, sort, &output);
    sort_items_release(&items);
    sort_items_release(&output);
}

static void sort_command(struct command_context *context, bool may_store) {
    struct sort sort = {.limit = -1};
    sort.patterns = memory_allocate(context->count * sizeof(*sort.patterns));
    if (take_options(context, may_store, &sort))
        run_sort(context, &sort);
    free(sort.patterns);
}

void command_sort(struct command_context *context) {
    sort_command(context, true);
}

void command_sort_ro(struct command_context *context) {
    sort_command(context, false);
}
