// SPDX-License-Identifier: Apache-2.0
//
// Combining sorted sets and sets. Uses: arguments, collection_value, first_places, member_merge,
// member_table, memory.
#include "commands/zset_algebra.h"

#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/first_places.h"
#include "commands/member_merge.h"

#include <math.h>
#include <stdlib.h>

// One of the sets that are combined, opened once, however often it is named.
struct zset_input {
    struct collection set;
    bool exists;
    struct collection_iterator *walk; // NULL: not walked
    struct zset_element at;           // where the walk stands; the score is not weighed yet
    bool is_at_end;
    uint64_t left_in; // the round of a union in which it went on last
};

struct zset_source {
    struct zset_input *set;
    double weight;
    size_t place; // among the keys
};

// --- Sources ---

static enum store_status open_source(struct command_context *context, struct bytes key,
                                     struct zset_input *source) {
    enum store_status status = collection_open(context->session, key, VALUE_ZSET, context->now, &source->set);
    if (status == STORE_WRONG_TYPE)
        status = collection_open(context->session, key, VALUE_SET, context->now, &source->set);
    source->exists = status == STORE_OK;
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static bool open_inputs(struct zset_algebra *algebra, struct command_context *context, size_t first,
                        const size_t *places) {
    for (size_t i = 0; i < algebra->count; i++) {
        struct zset_input *input = &algebra->inputs[places[i]];
        algebra->sources[i] = (struct zset_source){.set = input, .weight = 1, .place = i};
        if (places[i] != i)
            continue;
        enum store_status status = open_source(context, context->arguments[first + i], input);
        algebra->existing += input->exists;
        if (status == STORE_OK)
            continue;
        reply_store_error(context, status);
        return false;
    }
    return true;
}

bool zset_algebra_open(struct zset_algebra *algebra, struct command_context *context, size_t first,
                       size_t count) {
    *algebra = (struct zset_algebra){.count = count};
    algebra->inputs = memory_allocate_zeroed(count, sizeof(*algebra->inputs));
    algebra->sources = memory_allocate_zeroed(count, sizeof(*algebra->sources));
    size_t *places = first_places(context->arguments + first, count);
    bool done = open_inputs(algebra, context, first, places);
    free(places);
    return done;
}

void zset_algebra_close(struct zset_algebra *algebra) {
    free(algebra->inputs);
    free(algebra->sources);
    buffer_release(&algebra->from);
    member_table_release(&algebra->united);
}

// The least string that is greater than the member.
void zset_algebra_go_on_behind(struct zset_algebra *algebra, struct bytes member) {
    buffer_clear(&algebra->from);
    buffer_append(&algebra->from, member);
    buffer_append(&algebra->from, (struct bytes){"", 1});
}

void zset_algebra_weigh(struct zset_algebra *algebra, size_t source, double weight) {
    algebra->sources[source].weight = weight;
}

static uint64_t size_of(const struct zset_source *source) {
    return source->set->exists ? source->set->set.metadata.size : 0;
}

static int by_size(const void *a, const void *b) {
    const struct zset_source *first = a;
    const struct zset_source *second = b;
    if (size_of(first) != size_of(second))
        return size_of(first) < size_of(second) ? -1 : 1;
    return first->place < second->place ? -1 : 1;
}

void zset_algebra_order(struct zset_algebra *algebra) {
    qsort(algebra->sources, algebra->count, sizeof(*algebra->sources), by_size);
}

// --- Walking ---

static bool decode(const struct zset_input *input, struct bytes member, struct bytes value,
                   struct zset_element *out) {
    *out = (struct zset_element){.member = member, .score = 1};
    return input->set.metadata.type == VALUE_SET || zset_decode_member(member, value, out);
}

static void step(struct zset_algebra *algebra, struct zset_input *input) {
    struct bytes member;
    struct bytes value;
    input->is_at_end = !collection_iterator_next(input->walk, &member, &value);
    if (!input->is_at_end && !decode(input, member, value, &input->at))
        algebra->is_damaged = true;
}

static void begin_walk(struct zset_algebra *algebra, struct zset_input *input) {
    input->walk = collection_iterator_open(&input->set, FAMILY_DEFAULT);
    collection_iterator_seek(input->walk, buffer_bytes(&algebra->from));
    input->left_in = 0;
    step(algebra, input);
}

static enum store_status end_walk(struct zset_input *input) {
    if (input->walk == NULL)
        return STORE_OK;
    enum store_status status = collection_iterator_status(input->walk);
    collection_iterator_close(input->walk);
    input->walk = NULL;
    return status;
}

// STORE_OK with its score if the input has the member, else STORE_NOT_FOUND or STORE_FAILED.
static enum store_status find(struct zset_algebra *algebra, const struct zset_input *input,
                              struct bytes member, double *score) {
    struct store_value value;
    struct zset_element element;
    enum store_status status = input->exists ? collection_get(&input->set, member, &value) : STORE_NOT_FOUND;
    if (status != STORE_OK)
        return status;
    if (!decode(input, member, value.payload, &element))
        algebra->is_damaged = true;
    *score = element.score;
    store_value_release(&value);
    return STORE_OK;
}

// --- Scores ---

// Of the first source that has a member. No weight makes it anything but a number.
static double first_score(const struct zset_source *source) {
    double score = source->weight * source->set->at.score;
    return isnan(score) ? 0 : score;
}

static double aggregate(enum zset_aggregate aggregate, double score, double other) {
    if (aggregate == ZSET_MINIMUM)
        return other < score ? other : score;
    if (aggregate == ZSET_MAXIMUM)
        return other > score ? other : score;
    double sum = score + other;
    return isnan(sum) ? 0 : sum; // of infinities with different signs
}

// --- The three operations ---

// A union under way: the sources stand in the merge at their members.
struct union_walk {
    struct zset_algebra *algebra;
    struct member_merge merge;
    size_t *met; // sources that have been taken out of it
    size_t met_count;
};

static void begin_union(struct union_walk *walk, struct zset_algebra *algebra) {
    *walk = (struct union_walk){.algebra = algebra};
    walk->met = memory_allocate_zeroed(algebra->count, sizeof(*walk->met));
    member_merge_open(&walk->merge, algebra->count);
    for (size_t i = 0; i < algebra->count; i++) {
        struct zset_input *set = algebra->sources[i].set;
        if (set->exists && set->walk == NULL)
            begin_walk(algebra, set);
        if (set->exists && !set->is_at_end)
            member_merge_add(&walk->merge, set->at.member, i);
    }
}

static enum store_status end_union(struct union_walk *walk) {
    enum store_status status = STORE_OK;
    for (size_t i = 0; i < walk->algebra->count; i++) {
        enum store_status ended = end_walk(&walk->algebra->inputs[i]);
        status = status == STORE_OK ? ended : status;
    }
    member_merge_close(&walk->merge);
    free(walk->met);
    return status;
}

// Takes the least member out of the merge with all sources that stand at it, in their order.
static bool take_united(struct union_walk *walk, struct zset_element *element) {
    const struct zset_algebra *algebra = walk->algebra;
    struct merge_entry entry;
    if (!member_merge_take(&walk->merge, &entry))
        return false;
    *element =
        (struct zset_element){.member = entry.member, .score = first_score(&algebra->sources[entry.source])};
    walk->met[0] = entry.source;
    walk->met_count = 1;
    while (member_merge_take_equal(&walk->merge, element->member, &entry)) {
        element->score =
            aggregate(algebra->aggregate, element->score, first_score(&algebra->sources[entry.source]));
        walk->met[walk->met_count++] = entry.source;
    }
    return true;
}

// Sources that are the same set go on together.
static void leave_united(struct union_walk *walk, uint64_t round) {
    for (size_t i = 0; i < walk->met_count; i++) {
        struct zset_input *set = walk->algebra->sources[walk->met[i]].set;
        if (set->left_in != round)
            step(walk->algebra, set);
        set->left_in = round;
        if (!set->is_at_end)
            member_merge_add(&walk->merge, set->at.member, walk->met[i]);
    }
}

// False: it is more than is held.
static bool gather_one(struct zset_algebra *algebra, const struct zset_source *source) {
    bool is_new = false;
    double *score = member_table_at(&algebra->united, source->set->at.member, &is_new);
    *score = is_new ? first_score(source) : aggregate(algebra->aggregate, *score, first_score(source));
    algebra->is_too_big = member_table_is_too_big(&algebra->united);
    return !algebra->is_too_big;
}

// Of more sources than may be walked over at once: one after the other, in their order.
static enum store_status gather(struct zset_algebra *algebra) {
    enum store_status status = STORE_OK;
    for (size_t i = 0; i < algebra->count && status == STORE_OK && !algebra->is_too_big; i++) {
        const struct zset_source *source = &algebra->sources[i];
        if (!source->set->exists)
            continue;
        begin_walk(algebra, source->set);
        while (!source->set->is_at_end && gather_one(algebra, source))
            step(algebra, source->set);
        status = end_walk(source->set);
    }
    member_table_sort(&algebra->united);
    return status;
}

// Called again it goes on where it was ended.
static enum store_status unite_very_many(struct zset_algebra *algebra, zset_element_function *function,
                                         void *context) {
    struct zset_element element;
    enum store_status status = algebra->is_gathered ? STORE_OK : gather(algebra);
    algebra->is_gathered = true;
    while (status == STORE_OK && !algebra->is_too_big &&
           member_table_next(&algebra->united, &algebra->handed_out, &element.member, &element.score) &&
           function(context, &element))
        ;
    return status;
}

enum store_status zset_unite(struct zset_algebra *algebra, zset_element_function *function, void *context) {
    if (algebra->existing > MERGE_WALKS_MAX)
        return unite_very_many(algebra, function, context);
    struct union_walk walk;
    struct zset_element element;
    begin_union(&walk, algebra);
    for (uint64_t round = 1; take_united(&walk, &element) && function(context, &element); round++)
        leave_united(&walk, round);
    return end_union(&walk);
}

// STORE_NOT_FOUND if one of the others does not have the member at which the first source stands.
static enum store_status intersect_scores(struct zset_algebra *algebra, struct zset_element *out) {
    const struct zset_source *first = &algebra->sources[0];
    struct bytes member = first->set->at.member;
    *out = (struct zset_element){.member = member, .score = first_score(first)};
    for (size_t i = 1; i < algebra->count; i++) {
        double score = 0;
        enum store_status status = find(algebra, algebra->sources[i].set, member, &score);
        if (status != STORE_OK)
            return status;
        out->score = aggregate(algebra->aggregate, out->score, score * algebra->sources[i].weight);
    }
    return STORE_OK;
}

// STORE_NOT_FOUND if one of the others has it.
static enum store_status subtract_scores(struct zset_algebra *algebra, struct zset_element *out) {
    *out = algebra->sources[0].set->at;
    for (size_t i = 1; i < algebra->count; i++) {
        double score = 0;
        enum store_status status = find(algebra, algebra->sources[i].set, out->member, &score);
        if (status != STORE_NOT_FOUND)
            return status == STORE_OK ? STORE_NOT_FOUND : status;
    }
    return STORE_OK;
}

typedef enum store_status score_function(struct zset_algebra *algebra, struct zset_element *out);

// Walks over the first source and looks its members up in the others.
static enum store_status filter(struct zset_algebra *algebra, score_function *score,
                                zset_element_function *function, void *context) {
    struct zset_input *first = algebra->sources[0].set;
    struct zset_element element;
    enum store_status status = STORE_OK;
    if (!first->exists)
        return STORE_OK;
    for (begin_walk(algebra, first); !first->is_at_end; step(algebra, first)) {
        status = score(algebra, &element);
        if (status == STORE_FAILED || (status == STORE_OK && !function(context, &element)))
            break;
    }
    enum store_status walk = end_walk(first);
    return status == STORE_FAILED ? status : walk;
}

enum store_status zset_intersect(struct zset_algebra *algebra, zset_element_function *function,
                                 void *context) {
    return filter(algebra, intersect_scores, function, context);
}

enum store_status zset_subtract(struct zset_algebra *algebra, zset_element_function *function,
                                void *context) {
    return filter(algebra, subtract_scores, function, context);
}
