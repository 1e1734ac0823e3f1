// SPDX-License-Identifier: Apache-2.0
//
// SORT and SORT_RO. Uses: arguments, collection_value, list_value, sort_items, sort_pattern.
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/list_value.h"
#include "commands/reply_walk.h"
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

// --- Replying ---

// What the elements become: themselves, or what the GETs say of them, one by one.
struct output_walk {
    struct string_source source;
    struct sort_items items;
    uint64_t next, end; // of the items
    struct bytes *patterns;
    size_t pattern_count, next_pattern;
    struct buffer kept; // the patterns, once they are the walk's own
    struct buffer text; // what one says
    const char *error;
};

static enum walk_step pattern_step(struct output_walk *walk, struct bytes element, struct reply *reply) {
    bool found = false;
    buffer_clear(&walk->text);
    walk->error =
        sort_pattern_look_up(&walk->source, walk->patterns[walk->next_pattern], element, &walk->text, &found);
    if (walk->error != NULL)
        return WALK_END;
    if (found)
        reply_bulk(reply, buffer_bytes(&walk->text));
    else
        reply_null(reply);
    walk->next_pattern++;
    return WALK_ELEMENT;
}

static enum walk_step output_step(void *state, struct reply *reply) {
    struct output_walk *walk = state;
    if (walk->next == walk->end)
        return WALK_END;
    struct bytes element = sort_items_at(&walk->items, walk->next);
    enum walk_step taken = WALK_ELEMENT;
    if (walk->pattern_count == 0)
        reply_bulk(reply, element);
    else
        taken = pattern_step(walk, element, reply);
    if (walk->next_pattern == walk->pattern_count) {
        walk->next_pattern = 0;
        walk->next++;
    }
    return taken;
}

static void keep_output(void *state) {
    struct output_walk *walk = state;
    walk->source.entries.view = entry_view_open(walk->source.entries.session);
    for (size_t i = 0; i < walk->pattern_count; i++)
        buffer_append_counted(&walk->kept, walk->patterns[i]);
    struct bytes rest = buffer_bytes(&walk->kept);
    for (size_t i = 0; i < walk->pattern_count; i++)
        walk->patterns[i] = bytes_take_counted(&rest);
}

static const char *output_error(void *state) {
    const struct output_walk *walk = state;
    return walk->error;
}

static void close_output(void *state) {
    struct output_walk *walk = state;
    entry_view_close(walk->source.entries.view);
    sort_items_release(&walk->items);
    free(walk->patterns);
    buffer_release(&walk->kept);
    buffer_release(&walk->text);
}

// Takes over the items.
static void reply_output(struct command_context *context, const struct sort *sort, struct sort_items *items,
                         struct sort_window window) {
    static const struct walk_kind output = {.size = sizeof(struct output_walk),
                                            .at_once = WALK_LOOK_UPS_AT_ONCE,
                                            .step = output_step,
                                            .keep = keep_output,
                                            .error = output_error,
                                            .close = close_output};
    struct output_mark before = output_mark(&context->reply->output);
    size_t width = sort->pattern_count == 0 ? 1 : sort->pattern_count;
    struct output_walk walk = {.source = string_source_of(context),
                               .items = *items,
                               .next = window.first,
                               .end = window.end,
                               .pattern_count = sort->pattern_count};
    *items = (struct sort_items){0};
    walk.patterns = memory_allocate((sort->pattern_count + 1) * sizeof(*walk.patterns));
    for (size_t i = 0; i < sort->pattern_count; i++)
        walk.patterns[i] = context->arguments[sort->patterns[i]];
    uint64_t count = (window.end - window.first) * width;
    reply_array(context->reply, count);
    reply_walk_counted(context, &output, &walk, count, before);
}

// --- Storing ---

// What each GET says of an element; what is missing becomes an empty element. False: the error reply has been
// written.
static bool push_each(struct command_context *context, const struct sort *sort, struct bytes element,
                      struct list *list) {
    const struct string_source source = string_source_of(context);
    struct buffer text = {0};
    const char *error = NULL;
    for (size_t i = 0; i < sort->pattern_count && error == NULL; i++) {
        bool found = false;
        buffer_clear(&text);
        error = sort_pattern_look_up(&source, context->arguments[sort->patterns[i]], element, &text, &found);
        if (error == NULL)
            list_push(list, LIST_RIGHT, buffer_bytes(&text));
    }
    buffer_release(&text);
    if (error != NULL)
        reply_error(context->reply, error);
    return error == NULL;
}

static bool push_all(struct command_context *context, const struct sort *sort, const struct sort_items *items,
                     struct sort_window window, struct list *list) {
    for (uint64_t i = window.first; i < window.end && !session_is_overfull(context->session); i++) {
        struct bytes element = sort_items_at(items, i);
        if (sort->pattern_count == 0)
            list_push(list, LIST_RIGHT, element);
        else if (!push_each(context, sort, element, list))
            return false;
    }
    return true;
}

static void store_output(struct command_context *context, const struct sort *sort,
                         const struct sort_items *items, struct sort_window window) {
    struct list list;
    list_open_anew(context, sort->destination, &list);
    if (!push_all(context, sort, items, window, &list))
        return;
    if (list_length(&list) != 0)
        list_save(&list);
    else if (!collection_stage_none(context, context->arguments[sort->destination]))
        return;
    reply_integer(context->reply, (int64_t)list_length(&list));
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
    if (is_made && sort->destination == 0)
        reply_output(context, sort, &items, window);
    else if (is_made)
        store_output(context, sort, &items, window);
    sort_items_release(&items);
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
