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

// One of many draws: which rank it is for, and where in the order of the draws its element goes.
struct draw {
    uint64_t rank;
    size_t element, sub_key_length, value_length; // `element`: where it begins in the buffer of elements
};

// Draws that one walk over the collection serves; fewer if the elements are big.
enum { BATCH_FIRST = 64, BATCH_MOST = 1024, BATCH_STEP = 4, BATCH_BYTES = 1 << 20 };
struct batch {
    struct draw draws[BATCH_MOST];
    struct draw *in_order[BATCH_MOST];
    size_t at_once, count, next;
    struct buffer elements;
};

static int by_rank(const void *a, const void *b) {
    const struct draw *const *first = a;
    const struct draw *const *second = b;
    return ((*first)->rank > (*second)->rank) - ((*first)->rank < (*second)->rank);
}

// False: there are fewer elements than the collection says, or an error.
static bool find_draws(struct collection_iterator *iterator, struct batch *batch) {
    struct bytes sub_key;
    struct bytes value;
    size_t found = 0;
    collection_iterator_seek(iterator, (struct bytes){0});
    for (uint64_t rank = 0; found < batch->count; rank++) {
        size_t element = batch->elements.length;
        if (!collection_iterator_next(iterator, &sub_key, &value))
            return false;
        if (batch->in_order[found]->rank != rank)
            continue;
        buffer_append(&batch->elements, sub_key);
        buffer_append(&batch->elements, value);
        for (; found < batch->count && batch->in_order[found]->rank == rank; found++) {
            batch->in_order[found]->element = element;
            batch->in_order[found]->sub_key_length = sub_key.length;
            batch->in_order[found]->value_length = value.length;
        }
    }
    return true;
}

static bool fill_batch(struct sample_walk *walk) {
    struct batch *batch = walk->batch;
    bool are_small = batch->elements.length < BATCH_BYTES;
    if (batch->count != 0)
        batch->at_once = are_small ? batch->at_once * BATCH_STEP : batch->at_once / BATCH_STEP + 1;
    if (batch->at_once > BATCH_MOST)
        batch->at_once = BATCH_MOST;
    batch->count = walk->wanted < batch->at_once ? (size_t)walk->wanted : batch->at_once;
    batch->next = 0;
    buffer_clear(&batch->elements);
    for (size_t i = 0; i < batch->count; i++) {
        batch->draws[i] = (struct draw){.rank = random_sequence_below(&walk->random, walk->size)};
        batch->in_order[i] = &batch->draws[i];
    }
    qsort(batch->in_order, batch->count, sizeof(batch->in_order[0]), by_rank);
    return find_draws(walk->iterator, batch);
}

static enum walk_step show_from_batch(struct sample_walk *walk, struct reply *reply) {
    struct batch *batch = walk->batch;
    if (batch->next == batch->count && !fill_batch(walk))
        return WALK_END;
    const struct draw *draw = &batch->draws[batch->next++];
    const char *element = batch->elements.data + draw->element;
    walk->wanted--;
    return show(walk, reply, (struct bytes){element, draw->sub_key_length},
                (struct bytes){element + draw->sub_key_length, draw->value_length});
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
