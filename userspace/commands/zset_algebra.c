// SPDX-License-Identifier: Apache-2.0
//
// Combining sorted sets and sets. Uses: arguments, collection_value, memory.
#include "commands/zset_algebra.h"

#include "base/memory.h"
#include "commands/arguments.h"

#include <math.h>
#include <stdlib.h>

// One of the sets that are combined.
struct zset_source {
    struct collection set;
    bool exists;
    double weight;
    size_t place;                     // among the keys
    struct collection_iterator *walk; // NULL: not walked
    struct zset_element at;           // where the walk stands; the score is not weighed yet
    bool is_at_end;
};

// --- Sources ---

static enum store_status open_source(struct command_context *context, struct bytes key,
                                     struct zset_source *source) {
    enum store_status status = collection_open(context->session, key, VALUE_ZSET, context->now, &source->set);
    if (status == STORE_WRONG_TYPE)
        status = collection_open(context->session, key, VALUE_SET, context->now, &source->set);
    source->exists = status == STORE_OK;
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

bool zset_algebra_open(struct zset_algebra *algebra, struct command_context *context, size_t first,
                       size_t count) {
    *algebra = (struct zset_algebra){.count = count};
    algebra->sources = memory_allocate_zeroed(count, sizeof(*algebra->sources));
    for (size_t i = 0; i < count; i++) {
        algebra->sources[i].weight = 1;
        algebra->sources[i].place = i;
        enum store_status status = open_source(context, context->arguments[first + i], &algebra->sources[i]);
        if (status == STORE_OK)
            continue;
        reply_store_error(context, status);
        return false;
    }
    return true;
}

void zset_algebra_close(struct zset_algebra *algebra) {
    free(algebra->sources);
}

void zset_algebra_weigh(struct zset_algebra *algebra, size_t source, double weight) {
    algebra->sources[source].weight = weight;
}

static uint64_t size_of(const struct zset_source *source) {
    return source->exists ? source->set.metadata.size : 0;
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

static bool decode(const struct zset_source *source, struct bytes member, struct bytes value,
                   struct zset_element *out) {
    *out = (struct zset_element){.member = member, .score = 1};
    return source->set.metadata.type == VALUE_SET || zset_decode_member(member, value, out);
}

static void step(struct zset_algebra *algebra, struct zset_source *source) {
    struct bytes member;
    struct bytes value;
    source->is_at_end = !collection_iterator_next(source->walk, &member, &value);
    if (!source->is_at_end && !decode(source, member, value, &source->at))
        algebra->is_damaged = true;
}

static void begin_walk(struct zset_algebra *algebra, struct zset_source *source) {
    source->walk = collection_iterator_open(&source->set, FAMILY_DEFAULT);
    collection_iterator_seek(source->walk, (struct bytes){0});
    step(algebra, source);
}

static enum store_status end_walk(struct zset_source *source) {
    if (source->walk == NULL)
        return STORE_OK;
    enum store_status status = collection_iterator_status(source->walk);
    collection_iterator_close(source->walk);
    source->walk = NULL;
    return status;
}

// STORE_OK with its score if the source has the member, else STORE_NOT_FOUND or STORE_FAILED.
static enum store_status find(struct zset_algebra *algebra, const struct zset_source *source,
                              struct bytes member, double *score) {
    struct store_value value;
    struct zset_element element;
    enum store_status status =
        source->exists ? collection_get(&source->set, member, &value) : STORE_NOT_FOUND;
    if (status != STORE_OK)
        return status;
    if (!decode(source, member, value.payload, &element))
        algebra->is_damaged = true;
    *score = element.score;
    store_value_release(&value);
    return STORE_OK;
}

// --- Scores ---

// Of the first source that has a member. No weight makes it anything but a number.
static double first_score(const struct zset_source *source) {
    double score = source->weight * source->at.score;
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

// The source whose walk stands at the least member; NULL when all are at their ends.
static struct zset_source *least(const struct zset_algebra *algebra) {
    struct zset_source *found = NULL;
    for (size_t i = 0; i < algebra->count; i++) {
        struct zset_source *source = &algebra->sources[i];
        if (source->walk != NULL && !source->is_at_end &&
            (found == NULL || bytes_compare(source->at.member, found->at.member) < 0))
            found = source;
    }
    return found;
}

// The score of the member at which `first` stands, which is the first of the sources that do. The others step
// on; the member is still in use.
static double unite_scores(struct zset_algebra *algebra, const struct zset_source *first) {
    double score = first_score(first);
    for (size_t i = (size_t)(first - algebra->sources) + 1; i < algebra->count; i++) {
        struct zset_source *source = &algebra->sources[i];
        if (source->walk == NULL || source->is_at_end || !bytes_equal(source->at.member, first->at.member))
            continue;
        score = aggregate(algebra->aggregate, score, first_score(source));
        step(algebra, source);
    }
    return score;
}

enum store_status zset_unite(struct zset_algebra *algebra, zset_element_function *function, void *context) {
    enum store_status status = STORE_OK;
    struct zset_source *next = NULL;
    for (size_t i = 0; i < algebra->count; i++) {
        if (algebra->sources[i].exists)
            begin_walk(algebra, &algebra->sources[i]);
    }
    while ((next = least(algebra)) != NULL) {
        struct zset_element element = {.member = next->at.member, .score = unite_scores(algebra, next)};
        if (!function(context, &element))
            break;
        step(algebra, next);
    }
    for (size_t i = 0; i < algebra->count; i++) {
        enum store_status walk = end_walk(&algebra->sources[i]);
        status = status == STORE_OK ? walk : status;
    }
    return status;
}

// STORE_NOT_FOUND if one of the others does not have the member at which the first source stands.
static enum store_status intersect_scores(struct zset_algebra *algebra, struct zset_element *out) {
    const struct zset_source *first = &algebra->sources[0];
    *out = (struct zset_element){.member = first->at.member, .score = first_score(first)};
    for (size_t i = 1; i < algebra->count; i++) {
        double score = 0;
        enum store_status status = find(algebra, &algebra->sources[i], first->at.member, &score);
        if (status != STORE_OK)
            return status;
        out->score = aggregate(algebra->aggregate, out->score, score * algebra->sources[i].weight);
    }
    return STORE_OK;
}

// STORE_NOT_FOUND if one of the others has it.
static enum store_status subtract_scores(struct zset_algebra *algebra, struct zset_element *out) {
    *out = algebra->sources[0].at;
    for (size_t i = 1; i < algebra->count; i++) {
        double score = 0;
        enum store_status status = find(algebra, &algebra->sources[i], out->member, &score);
        if (status != STORE_NOT_FOUND)
            return status == STORE_OK ? STORE_NOT_FOUND : status;
    }
    return STORE_OK;
}

typedef enum store_status score_function(struct zset_algebra *algebra, struct zset_element *out);

// Walks over the first source and looks its members up in the others.
static enum store_status filter(struct zset_algebra *algebra, score_function *score,
                                zset_element_function *function, void *context) {
    struct zset_source *first = &algebra->sources[0];
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
