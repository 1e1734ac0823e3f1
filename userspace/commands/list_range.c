// SPDX-License-Identifier: Apache-2.0
//
// LRANGE LTRIM LINSERT LREM: what walks over lists, but for LPOS (list_search.c). Positions have no gaps, so
// that inserting and removing moves all elements on one side. Uses: arguments, list_value, reply_walk.
#include "base/buffer.h"
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/list_value.h"
#include "commands/reply_walk.h"

// --- LRANGE ---

struct range {
    uint64_t start, count;
};

// The elements that two indexes include, which count from the end if they are negative.
static struct range range_of(const struct list *list, int64_t start, int64_t stop) {
    int64_t length = (int64_t)list_length(list);
    if (start < 0)
        start = start + length > 0 ? start + length : 0;
    if (stop < 0)
        stop += length;
    if (stop >= length)
        stop = length - 1;
    if (start > stop)
        return (struct range){0};
    return (struct range){(uint64_t)start, (uint64_t)(stop - start + 1)};
}

void command_lrange(struct command_context *context) {
    struct output_mark before = output_mark(&context->reply->output);
    struct list list;
    struct list_walk walk;
    int64_t start = 0;
    int64_t stop = 0;
    if (!argument_integer(context, 2, &start) || !argument_integer(context, 3, &stop) ||
        list_read(context, 1, &list) == COLLECTION_FAILED)
        return;
    struct range range = range_of(&list, start, stop);
    reply_array(context->reply, range.count);
    if (range.count == 0)
        return;
    list_walk_begin(&list, range.start, false, &walk);
    reply_walk_entries(context, walk.iterator, ENTRY_VALUE, range.count, before);
}

// --- LTRIM ---

static void name_trim(struct list *list, struct range range) {
    char start[NUMBER_INTEGER_SIZE];
    char stop[NUMBER_INTEGER_SIZE];
    const struct bytes words[] = {
        {start, number_write_integer(start, (int64_t)range.start)},
        {stop, number_write_integer(stop, (int64_t)(range.start + range.count - 1))},
    };
    list_name(list, LOG_LTRIM, words, 2);
}

static void stage_dropped(struct list *list, struct range range) {
    uint64_t dropped = list_length(list) - range.count;
    name_trim(list, range);
    list_drop(list, LIST_LEFT, range.start);
    list_drop(list, LIST_RIGHT, dropped - range.start);
    list_save(list);
}

// What is kept goes into a list with a new version: then what is dropped need not be deleted one by one. It
// is held while the walk is open, because nothing may be staged during one; unless it is too big for that.
static bool stage_kept(struct command_context *context, struct list *list, struct range range) {
    enum { HELD_MAX = 16 << 20 };
    struct output_mark before = output_mark(&context->reply->output);
    struct buffer kept = {0};
    struct list anew;
    struct list_walk walk;
    struct bytes element;
    uint64_t missing = range.count;
    list_walk_begin(list, range.start, false, &walk);
    for (; missing != 0 && kept.length <= HELD_MAX && list_walk_next(&walk, &element); missing--)
        buffer_append_counted(&kept, element);
    bool is_too_big = kept.length > HELD_MAX;
    bool done = list_walk_end(context, &walk, before, is_too_big ? 0 : missing);
    if (done && is_too_big) {
        stage_dropped(list, range);
    } else if (done) {
        // For who reads the log: the elements are pushed to a list that is not there.
        stage_delete(context->session, context->arguments[1]);
        list_open_anew(context, 1, &anew);
        anew.collection.metadata.expire_ms = list->collection.metadata.expire_ms;
        for (struct bytes rest = buffer_bytes(&kept); rest.length != 0;)
            list_push(&anew, LIST_RIGHT, bytes_take_counted(&rest));
        list_save(&anew);
    }
    buffer_release(&kept);
    return done;
}

static bool stage_trim(struct command_context *context, struct list *list, struct range range) {
    enum { FEW_DROPPED = 64, DROPPED_FOR_KEPT = 4 };
    uint64_t dropped = list_length(list) - range.count;
    if (range.count == 0) {
        list_clear(list);
    } else if (dropped > FEW_DROPPED + DROPPED_FOR_KEPT * range.count) {
        return stage_kept(context, list, range);
    } else if (dropped != 0) {
        stage_dropped(list, range);
    }
    return true;
}

void command_ltrim(struct command_context *context) {
    struct list list;
    int64_t start = 0;
    int64_t stop = 0;
    if (!argument_integer(context, 2, &start) || !argument_integer(context, 3, &stop))
        return;
    enum collection_status status = list_read(context, 1, &list);
    if (status == COLLECTION_MISSING ||
        (status == COLLECTION_FOUND && stage_trim(context, &list, range_of(&list, start, stop))))
        reply_ok(context->reply);
}

// --- Moving elements ---

// Elements on their way to other places of their list, one behind the other.
struct move {
    bool backwards;       // the direction of the walk over them
    uint64_t from;        // the place of the next one
    uint64_t to;          // where the next one that stays goes
    uint64_t left;        // how many the walk still meets
    uint64_t gone;        // so many of them that are equal to `element` go away instead
    struct bytes element; // unused if `gone` is 0
};

static uint64_t next_place(uint64_t place, bool backwards) {
    return backwards ? place - 1 : place + 1;
}

// Walks over a portion of the elements and keeps those that stay, because nothing may be staged during a
// walk.
static bool keep_portion(struct command_context *context, const struct list *list, struct move *move,
                         struct buffer *kept) {
    enum { PORTION_SIZE = 1 << 20 };
    struct output_mark before = output_mark(&context->reply->output);
    struct list_walk walk;
    struct bytes element;
    bool is_there = true;
    list_walk_begin(list, move->from, move->backwards, &walk);
    while (move->left != 0 && kept->length < PORTION_SIZE && (is_there = list_walk_next(&walk, &element))) {
        bool goes = move->gone != 0 && bytes_equal(element, move->element);
        move->gone -= goes;
        if (!goes)
            buffer_append_counted(kept, element);
        move->from = next_place(move->from, move->backwards);
        move->left--;
    }
    return list_walk_end(context, &walk, before, is_there ? 0 : move->left);
}

// In portions, so that few elements are in memory at a time. They move against the direction of the walk, so
// none is overwritten that is still to be met. False: the error is replied.
static bool move_elements(struct command_context *context, struct list *list, struct move *move) {
    struct buffer kept = {0};
    bool done = true;
    while (done && move->left != 0 && !session_is_overfull(context->session)) {
        buffer_clear(&kept);
        done = keep_portion(context, list, move, &kept);
        for (struct bytes rest = buffer_bytes(&kept); done && rest.length != 0;
             move->to = next_place(move->to, move->backwards))
            list_set(list, move->to, bytes_take_counted(&rest));
    }
    buffer_release(&kept);
    return done;
}

// --- LINSERT ---

// Where the first element equal to the pivot is. False: the error is replied.
static bool find_pivot(struct command_context *context, const struct list *list, uint64_t *place,
                       bool *found) {
    struct output_mark before = output_mark(&context->reply->output);
    struct list_walk walk;
    struct bytes element;
    *found = false;
    *place = 0;
    list_walk_begin(list, 0, false, &walk);
    while (!*found && list_walk_next(&walk, &element)) {
        *found = bytes_equal(element, context->arguments[3]);
        *place += !*found;
    }
    return list_walk_end(context, &walk, before, 0);
}

// Makes room for an element at a place by moving the shorter side.
static bool stage_insert(struct command_context *context, struct list *list, uint64_t place, bool after) {
    struct bytes element = context->arguments[4];
    const struct bytes words[] = {after ? BYTES_LITERAL("0") : BYTES_LITERAL("1"), context->arguments[3],
                                  element};
    uint64_t length = list_length(list);
    struct move head_side = {.from = 1, .to = 0, .left = place};
    struct move tail_side = {.backwards = true, .from = length - 1, .to = length, .left = length - place};
    bool moves_head = place < length - place;
    list_name(list, LOG_LINSERT, words, 3);
    list_push(list, moves_head ? LIST_LEFT : LIST_RIGHT, element); // the place that the others move into
    if (!move_elements(context, list, moves_head ? &head_side : &tail_side))
        return false;
    list_set(list, place, element);
    list_save(list);
    return true;
}

void command_linsert(struct command_context *context) {
    struct list list;
    uint64_t place = 0;
    bool found = false;
    bool after = argument_is(context, 2, "AFTER");
    if (!after && !argument_is(context, 2, "BEFORE")) {
        reply_syntax_error(context);
        return;
    }
    enum collection_status status = list_read(context, 1, &list);
    if (status == COLLECTION_MISSING)
        reply_integer(context->reply, 0);
    if (status != COLLECTION_FOUND || !find_pivot(context, &list, &place, &found))
        return;
    if (!found)
        reply_integer(context->reply, -1);
    else if (stage_insert(context, &list, place + after, after))
        reply_integer(context->reply, (int64_t)list_length(&list));
}

// --- LREM ---

struct removal {
    uint64_t most; // 0: all
    bool backwards;
    uint64_t removed;
    uint64_t first, last; // places: between them all that are equal to the element go
};

// Ends at the last one that goes.
static bool find_removed(struct command_context *context, const struct list *list, struct removal *removal) {
    struct output_mark before = output_mark(&context->reply->output);
    struct list_walk walk;
    struct bytes element;
    uint64_t place = removal->backwards ? list_length(list) - 1 : 0;
    list_walk_begin(list, place, removal->backwards, &walk);
    while ((removal->most == 0 || removal->removed < removal->most) && list_walk_next(&walk, &element)) {
        if (bytes_equal(element, context->arguments[3])) {
            if (removal->removed == 0 || removal->backwards)
                removal->first = place;
            if (removal->removed == 0 || !removal->backwards)
                removal->last = place;
            removal->removed++;
        }
        place = next_place(place, removal->backwards);
    }
    return list_walk_end(context, &walk, before, 0);
}

// The shorter side closes up.
static bool stage_removal(struct command_context *context, struct list *list, const struct removal *removal) {
    uint64_t head_side = removal->last + 1;
    uint64_t tail_side = list_length(list) - removal->first;
    bool moves_head = head_side < tail_side;
    uint64_t end = moves_head ? removal->last : removal->first;
    struct move move = {.backwards = moves_head,
                        .from = end,
                        .to = end,
                        .left = moves_head ? head_side : tail_side,
                        .gone = removal->removed,
                        .element = context->arguments[3]};
    if (removal->removed == list_length(list)) {
        list_clear(list);
        return true;
    }
    list_name(list, LOG_LREM, &context->arguments[2], 2); // the count and the element
    if (!move_elements(context, list, &move))
        return false;
    list_drop(list, moves_head ? LIST_LEFT : LIST_RIGHT, removal->removed);
    list_save(list);
    return true;
}

void command_lrem(struct command_context *context) {
    struct list list;
    struct removal removal = {0};
    int64_t count = 0;
    if (!argument_integer(context, 2, &count))
        return;
    removal.backwards = count < 0;
    removal.most = count < 0 ? -(uint64_t)count : (uint64_t)count;
    enum collection_status status = list_read(context, 1, &list);
    if (status == COLLECTION_MISSING)
        reply_integer(context->reply, 0);
    if (status == COLLECTION_FOUND && find_removed(context, &list, &removal) &&
        (removal.removed == 0 || stage_removal(context, &list, &removal)))
        reply_integer(context->reply, (int64_t)removal.removed);
}
