// SPDX-License-Identifier: Apache-2.0
//
// LPOS. The places are sent as they are found, however many they are. Uses: base/memory, arguments,
// list_value, reply_walk.
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/list_value.h"
#include "commands/reply_walk.h"

#include <stdlib.h>

// --- Arguments ---

struct search {
    int64_t rank;    // the first match that counts; negative: from the end
    int64_t count;   // how many; 0: all
    int64_t longest; // elements that are compared at most; 0: all
    bool has_count;
};

static bool read_rank(struct command_context *context, size_t index, int64_t *rank) {
    if (!argument_integer(context, index, rank))
        return false;
    if (*rank == 0) {
        reply_error(
            context->reply,
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
            "negative to start from the end of the list");
        return false;
    }
    if (*rank != INT64_MIN)
        return true;
    reply_error(context->reply, "ERR value is out of range, value must between -9223372036854775807 and "
                                "9223372036854775807");
    return false;
}

static bool read_search(struct command_context *context, struct search *search) {
    *search = (struct search){.rank = 1, .count = 1};
    for (size_t i = 3; i < context->count; i += 2) {
        bool has_value = i + 1 < context->count;
        bool right = false;
        if (has_value && argument_is(context, i, "RANK")) {
            right = read_rank(context, i + 1, &search->rank);
        } else if (has_value && argument_is(context, i, "COUNT")) {
            search->has_count = true;
            right = argument_not_negative(context, i + 1, &search->count, "ERR COUNT can't be negative");
        } else if (has_value && argument_is(context, i, "MAXLEN")) {
            right = argument_not_negative(context, i + 1, &search->longest, "ERR MAXLEN can't be negative");
        } else {
            reply_syntax_error(context);
        }
        if (!right)
            return false;
    }
    return true;
}

// --- Searching ---

struct places_walk {
    struct store_session *session;
    struct search search;
    struct bytes wanted;
    char *kept; // what is wanted, once it is the walk's own
    struct list_walk elements;
    uint64_t length;  // of the list
    uint64_t met;     // elements so far
    uint64_t matches; // of them
    uint64_t shown;
};

static void open_places(struct places_walk *walk, struct command_context *context,
                        const struct search *search, const struct list *list) {
    *walk = (struct places_walk){.session = context->session,
                                 .search = *search,
                                 .wanted = context->arguments[2],
                                 .length = list_length(list)};
    bool backwards = search->rank < 0;
    list_walk_begin(list, backwards ? walk->length - 1 : 0, backwards, &walk->elements);
}

static bool is_over(const struct places_walk *walk) {
    const struct search *search = &walk->search;
    return (search->longest != 0 && walk->met == (uint64_t)search->longest) ||
           (search->count != 0 && walk->shown == (uint64_t)search->count);
}

// One element. *place is where it is if it is a match that counts.
static enum walk_step search_step(struct places_walk *walk, uint64_t *place) {
    struct bytes element;
    int64_t rank = walk->search.rank;
    if (is_over(walk) || !list_walk_next(&walk->elements, &element))
        return WALK_END;
    *place = rank < 0 ? walk->length - 1 - walk->met : walk->met;
    walk->met++;
    if (!bytes_equal(element, walk->wanted) ||
        ++walk->matches < (rank < 0 ? -(uint64_t)rank : (uint64_t)rank))
        return WALK_PASSED;
    walk->shown++;
    return WALK_ELEMENT;
}

static const char *error_of(void *state) {
    const struct places_walk *walk = state;
    enum store_status status = list_walk_status(&walk->elements);
    return status == STORE_OK ? NULL : session_error(walk->session, status);
}

static void close_places(void *state) {
    struct places_walk *walk = state;
    list_walk_close(&walk->elements);
    free(walk->kept);
}

// --- Replying ---

static enum walk_step place_step(void *state, struct reply *reply) {
    uint64_t place = 0;
    enum walk_step taken = search_step(state, &place);
    if (taken == WALK_ELEMENT && reply != NULL)
        reply_integer(reply, (int64_t)place);
    return taken;
}

static void begin_again(void *state) {
    struct places_walk *walk = state;
    walk->met = walk->matches = walk->shown = 0;
    list_walk_rewind(&walk->elements);
}

static void keep_wanted(void *state) {
    struct places_walk *walk = state;
    walk->kept = memory_copy(walk->wanted.data, walk->wanted.length);
    walk->wanted.data = walk->kept;
}

static void reply_places(struct command_context *context, const struct search *search,
                         const struct list *list) {
    static const struct walk_kind places = {.size = sizeof(struct places_walk),
                                            .step = place_step,
                                            .rewind = begin_again,
                                            .keep = keep_wanted,
                                            .error = error_of,
                                            .close = close_places};
    struct places_walk walk;
    open_places(&walk, context, search, list);
    reply_walk_all(context, &places, &walk, 1);
}

static void reply_first(struct command_context *context, const struct search *search,
                        const struct list *list) {
    struct places_walk walk;
    uint64_t place = 0;
    enum walk_step taken = WALK_PASSED;
    open_places(&walk, context, search, list);
    while (taken == WALK_PASSED)
        taken = search_step(&walk, &place);
    const char *error = error_of(&walk);
    if (error != NULL)
        reply_error(context->reply, error);
    else if (taken == WALK_ELEMENT)
        reply_integer(context->reply, (int64_t)place);
    else
        reply_null(context->reply);
    close_places(&walk);
}

void command_lpos(struct command_context *context) {
    struct search search;
    struct list list;
    if (!read_search(context, &search))
        return;
    enum collection_status status = list_read(context, 1, &list);
    if (status == COLLECTION_FOUND)
        (search.has_count ? reply_places : reply_first)(context, &search, &list);
    else if (status == COLLECTION_MISSING && search.has_count)
        reply_array(context->reply, 0);
    else if (status == COLLECTION_MISSING)
        reply_null(context->reply);
}
