// SPDX-License-Identifier: Apache-2.0
//
// Walks that draw. Uses: base/{buffer,memory,random}, arguments, collection_sample, reply_walk.
#include "commands/sample_reply.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "commands/arguments.h"
#include "commands/collection_sample.h"
#include "commands/reply_walk.h"
#include "server/client.h"

#include <stdlib.h>

// --- Arguments ---

bool sample_read_arguments(struct command_context *context, const char *option, int64_t *count,
                           bool *with_value) {
    *with_value = option != NULL && argument_is(context, 3, option);
    if (!argument_integer(context, 2, count))
        return false;
    if (*count == INT64_MIN)
        reply_error(context->reply, "ERR value is out of range, value must between -9223372036854775807 and "
                                    "9223372036854775807");
    else if (context->count > 4 || (context->count == 4 && !*with_value))
        reply_syntax_error(context);
    // The reply has twice as many elements then, whose number must be told.
    else if (*with_value && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2))
        reply_error(context->reply, "ERR value is out of range");
    else
        return true;
    return false;
}

// --- Walks ---

struct batch;

struct sample_walk {
    struct store_session *session;
    struct collection_iterator *iterator;
    sample_show_function *show;
    bool with_value;
    const char *damage;
    uint64_t size;   // elements of the collection; in a walk by ranks those that are still to be met
    uint64_t wanted; // draws that are still to be made
    struct random_sequence random;
    struct sample_drawn *drawn;
    size_t next_drawn;
    struct batch *batch; // NULL: draws are made one by one
};

// --- What all have in common ---

static enum walk_step show(struct sample_walk *walk, struct reply *reply, struct bytes sub_key,
                           struct bytes value) {
    walk->damage = walk->show(reply, sub_key, value, walk->with_value);
    return walk->damage == NULL ? WALK_ELEMENT : WALK_END;
}

static const char *error_of(void *state) {
    const struct sample_walk *walk = state;
    enum store_status status = collection_iterator_status(walk->iterator);
    return status == STORE_OK ? walk->damage : session_error(walk->session, status);
}

// --- Different ones ---

// Algorithm S, as in collection_sample.c.
static enum walk_step rank_step(void *state, struct reply *reply) {
    struct sample_walk *walk = state;
    struct bytes sub_key;
    struct bytes value;
    if (walk->size == 0 || !collection_iterator_next(walk->iterator, &sub_key, &value))
        return WALK_END;
    bool taken =
        walk->wanted == walk->size || random_sequence_below(&walk->random, walk->size) < walk->wanted;
    walk->size--;
    walk->wanted -= taken;
    return taken ? show(walk, reply, sub_key, value) : WALK_PASSED;
}

static enum walk_step drawn_step(void *state, struct reply *reply) {
    struct sample_walk *walk = state;
    struct bytes sub_key;
    struct bytes value;
    collection_iterator_seek(walk->iterator, sample_drawn_at(walk->drawn, walk->next_drawn++));
    if (!collection_iterator_next(walk->iterator, &sub_key, &value))
        return WALK_END;
    return show(walk, reply, sub_key, value);
}

// --- Again and again ---

// One of many draws: which rank it is for, and where in the buffer of elements that is, if it has been found.
struct draw {
    uint64_t rank;
    size_t element, sub_key_length, value_length;
    bool has_value; // else it is too big to be kept
};

// Draws that one walk over the collection serves; fewer if the elements are big. The walk is divided into
// steps, and so that it need not keep much, it may take several.
enum {
    BATCH_FIRST = 64,
    BATCH_MOST = 1024,
    BATCH_STEP = 4,
    BATCH_BYTES = 1 << 20,
    KEPT_BYTES = 16 << 20,
    KEPT_VALUE_BYTES = 1024,
    ENTRIES_IN_STEP = 8
};
static const size_t not_kept = SIZE_MAX;
struct batch {
    struct draw draws[BATCH_MOST];
    size_t at_once, count, next;
    struct buffer elements;
    bool are_big;
    bool is_walking;
    uint64_t rank;                     // of the entry that the walk comes to
    struct draw *in_order[BATCH_MOST]; // what it looks for: the draws that have not been shown
    size_t looked_for, found;
};

static int by_rank(const void *a, const void *b) {
    const struct draw *const *first = a;
    const struct draw *const *second = b;
    return ((*first)->rank > (*second)->rank) - ((*first)->rank < (*second)->rank);
}

static void begin_walk(struct sample_walk *walk) {
    struct batch *batch = walk->batch;
    batch->looked_for = 0;
    for (size_t i = batch->next; i < batch->count; i++) {
        batch->draws[i].element = not_kept;
        batch->in_order[batch->looked_for++] = &batch->draws[i];
    }
    qsort(batch->in_order, batch->looked_for, sizeof(batch->in_order[0]), by_rank);
    batch->found = 0;
    batch->rank = 0;
    batch->is_walking = true;
    buffer_release(&batch->elements);
    collection_iterator_seek(walk->iterator, (struct bytes){0});
}

static void begin_batch(struct sample_walk *walk) {
    struct batch *batch = walk->batch;
    if (batch->count != 0)
        batch->at_once = batch->are_big ? batch->at_once / BATCH_STEP + 1 : batch->at_once * BATCH_STEP;
    if (batch->at_once > BATCH_MOST)
        batch->at_once = BATCH_MOST;
    batch->are_big = false;
    batch->count = walk->wanted < batch->at_once ? (size_t)walk->wanted : batch->at_once;
    batch->next = 0;
    for (size_t i = 0; i < batch->count; i++)
        batch->draws[i] = (struct draw){.rank = random_sequence_below(&walk->random, walk->size)};
    begin_walk(walk);
}

// The next one to be shown is kept however big it is, so that every walk finds one.
static bool is_kept(const struct batch *batch) {
    return batch->elements.length < KEPT_BYTES ||
           batch->in_order[batch->found]->rank == batch->draws[batch->next].rank;
}

// For all draws of its rank.
static void find_entry(struct batch *batch, struct bytes sub_key, struct bytes value) {
    struct draw kept = {.rank = batch->rank,
                        .element = is_kept(batch) ? batch->elements.length : not_kept,
                        .sub_key_length = sub_key.length,
                        .value_length = value.length,
                        .has_value = value.length <= KEPT_VALUE_BYTES};
    if (kept.element != not_kept) {
        buffer_append(&batch->elements, sub_key);
        if (kept.has_value)
            buffer_append(&batch->elements, value);
    }
    while (batch->found < batch->looked_for && batch->in_order[batch->found]->rank == batch->rank)
        *batch->in_order[batch->found++] = kept;
}

static enum walk_step walk_on(struct sample_walk *walk) {
    struct batch *batch = walk->batch;
    struct bytes sub_key;
    struct bytes value;
    for (int i = 0; i < ENTRIES_IN_STEP && batch->found < batch->looked_for; i++, batch->rank++) {
        if (!collection_iterator_next(walk->iterator, &sub_key, &value))
            return WALK_END; // there are fewer elements than the collection says, or an error
        if (batch->in_order[batch->found]->rank == batch->rank)
            find_entry(batch, sub_key, value);
    }
    batch->is_walking = batch->found < batch->looked_for;
    batch->are_big = batch->are_big || batch->elements.length >= BATCH_BYTES;
    return WALK_PASSED;
}

static enum walk_step show_draw(struct sample_walk *walk, struct reply *reply, const struct draw *draw) {
    const char *element = walk->batch->elements.data + draw->element;
    struct bytes sub_key = {element, draw->sub_key_length};
    struct bytes value = {element + draw->sub_key_length, draw->has_value ? draw->value_length : 0};
    if (walk->with_value && !draw->has_value) {
        collection_iterator_seek(walk->iterator, sub_key);
        if (!collection_iterator_next(walk->iterator, NULL, &value))
            return WALK_END;
    }
    walk->batch->next++;
    walk->wanted--;
    return show(walk, reply, sub_key, value);
}

static enum walk_step show_from_batch(struct sample_walk *walk, struct reply *reply) {
    struct batch *batch = walk->batch;
    if (batch->is_walking)
        return walk_on(walk);
    if (batch->next < batch->count && batch->draws[batch->next].element != not_kept)
        return show_draw(walk, reply, &batch->draws[batch->next]);
    if (batch->next < batch->count)
        begin_walk(walk);
    else
        begin_batch(walk);
    return WALK_PASSED;
}

static void begin_batches(struct sample_walk *walk) {
    walk->batch = memory_allocate_zeroed(1, sizeof(*walk->batch));
    walk->batch->at_once = BATCH_FIRST;
}

static enum walk_step repeating_step(void *state, struct reply *reply) {
    struct sample_walk *walk = state;
    struct bytes sub_key;
    struct bytes value;
    if (walk->batch == NULL && !collection_iterator_draw(walk->iterator, &sub_key, &value))
        begin_batches(walk);
    if (walk->batch != NULL)
        return show_from_batch(walk, reply);
    walk->wanted--;
    return show(walk, reply, sub_key, value);
}

// --- All ---

static void close_walk(void *state) {
    const struct sample_walk *walk = state;
    collection_iterator_close(walk->iterator);
    sample_drawn_close(walk->drawn);
    if (walk->batch != NULL)
        buffer_release(&walk->batch->elements);
    free(walk->batch);
}

#define WALK_KIND(step_function)                                                                             \
    { .size = sizeof(struct sample_walk), .step = (step_function), .error = error_of, .close = close_walk }
static const struct walk_kind by_ranks = WALK_KIND(rank_step);
static const struct walk_kind as_drawn = WALK_KIND(drawn_step);
static const struct walk_kind repeating = WALK_KIND(repeating_step);

static const struct walk_kind *begin_different(struct sample_walk *walk,
                                               const struct collection *collection) {
    walk->drawn = sample_draw(collection, walk->wanted);
    collection_iterator_seek(walk->iterator, (struct bytes){0});
    return walk->drawn == NULL ? &by_ranks : &as_drawn;
}

static const struct walk_kind *begin_repeating(struct sample_walk *walk) {
    uint64_t for_one_walk = walk->wanted < BATCH_MOST ? walk->wanted : BATCH_MOST;
    if (!sample_is_cheaper_drawn(walk->size, for_one_walk))
        begin_batches(walk);
    return &repeating;
}

// EXEC writes all at once. So many would hold up all of the worker's clients.
static bool is_too_much(struct command_context *context, int64_t count) {
    enum { IN_EXEC_MOST = 1 << 20 };
    if (count >= -IN_EXEC_MOST || !context->client->in_exec)
        return false;
    reply_error(context->reply, "ERR value is out of range, a transaction may draw 1048576 times at once");
    return true;
}

void sample_reply(struct command_context *context, const struct collection *collection, int64_t count,
                  sample_show_function *show_element, bool with_value, size_t width) {
    if (is_too_much(context, count))
        return;
    struct output_mark before = output_mark(&context->reply->output);
    struct sample_walk walk = {.session = context->session,
                               .iterator = collection_iterator_open(collection, FAMILY_DEFAULT),
                               .show = show_element,
                               .with_value = with_value,
                               .random = random_sequence_begin(),
                               .size = collection->metadata.size,
                               .wanted = count < 0 ? (uint64_t)-count : (uint64_t)count};
    if (count >= 0 && walk.wanted > walk.size)
        walk.wanted = walk.size;
    uint64_t elements = walk.wanted;
    const struct walk_kind *kind = count < 0 ? begin_repeating(&walk) : begin_different(&walk, collection);
    reply_array(context->reply, elements * width);
    reply_walk_counted(context, kind, &walk, elements, before);
}
