// SPDX-License-Identifier: Apache-2.0
//
// Walking over ranges. Uses: base/memory, zset_jump, zset_value, store/collection.
#include "commands/zset_range.h"

#include "base/memory.h"
#include "commands/zset_jump.h"

#include <math.h>
#include <stdlib.h>

// --- Stepping ---

static bool step(struct zset_walk *walk, bool backwards, struct bytes *sub_key, struct bytes *value) {
    return backwards ? collection_iterator_previous(walk->iterator, sub_key, value)
                     : collection_iterator_next(walk->iterator, sub_key, value);
}

// The next entry, in or out of the range.
static bool next_element(struct zset_walk *walk, struct zset_element *element) {
    struct bytes sub_key;
    struct bytes value;
    bool by_member = walk->range.kind == ZSET_BY_LEX;
    if (!step(walk, walk->range.is_reverse, &sub_key, by_member ? &value : NULL))
        return false;
    walk->sub_key = sub_key;
    if (walk->is_hash) {
        *element = (struct zset_element){.member = sub_key};
        walk->field_value = value;
        return true;
    }
    bool is_whole =
        by_member ? zset_decode_member(sub_key, value, element) : zset_decode_score(sub_key, element);
    walk->is_damaged = !is_whole;
    return is_whole;
}

static void seek_towards(struct zset_walk *walk, struct bytes sub_key) {
    if (walk->range.is_reverse)
        collection_iterator_seek_back(walk->iterator, sub_key);
    else
        collection_iterator_seek(walk->iterator, sub_key);
}

// --- By rank ---

static int64_t rank_from_zero(int64_t rank, uint64_t size) {
    if (rank >= 0)
        return rank;
    return rank + (int64_t)size;
}

bool zset_range_resolve_ranks(struct zset_range *range, uint64_t size) {
    range->start = rank_from_zero(range->start, size);
    range->stop = rank_from_zero(range->stop, size);
    if (range->start < 0)
        range->start = 0;
    if (range->stop >= (int64_t)size)
        range->stop = (int64_t)size - 1;
    return range->start <= range->stop;
}

static void seek_end(struct zset_walk *walk, bool last) {
    if (last)
        collection_iterator_seek_last(walk->iterator);
    else
        collection_iterator_seek(walk->iterator, (struct bytes){0});
}

// RocksDB goes backwards several times slower than forwards: of two ends that is the nearer one which takes
// less time to come from.
enum { BACKWARDS_COST = 4 };

static void choose_end(struct zset_walk *walk) {
    uint64_t start = (uint64_t)walk->range.start;
    uint64_t behind = walk->size - start;
    walk->comes_from_behind =
        walk->range.is_reverse ? start * BACKWARDS_COST > behind : start > behind * BACKWARDS_COST;
    walk->skip = walk->comes_from_behind ? behind : start;
}

static void seek_rank(struct zset_walk *walk) {
    choose_end(walk);
    seek_end(walk, walk->range.is_reverse != walk->comes_from_behind);
}

// The last one that is passed from behind is the first of the range.
static enum walk_step pass_rank(struct zset_walk *walk) {
    struct bytes sub_key;
    bool backwards = walk->range.is_reverse;
    walk->is_damaged = !step(walk, backwards != walk->comes_from_behind, &sub_key, NULL);
    if (walk->is_damaged)
        return WALK_END;
    walk->skip--;
    if (walk->skip != 0 || !walk->comes_from_behind)
        return WALK_PASSED;
    if (backwards)
        collection_iterator_seek_back(walk->iterator, sub_key);
    else
        collection_iterator_seek(walk->iterator, sub_key);
    return WALK_PASSED;
}

// --- By score ---

static bool is_below_score(const struct zset_bound *min, double score) {
    return score < min->score || (min->is_excluded && score == min->score);
}

static bool is_above_score(const struct zset_bound *max, double score) {
    return score > max->score || (max->is_excluded && score == max->score);
}

static void seek_score(struct zset_walk *walk) {
    char edge[ENCODED_DOUBLE_SIZE];
    const struct zset_bound *from = walk->range.is_reverse ? &walk->range.max : &walk->range.min;
    if (!from->is_excluded && from->score == (double)(walk->range.is_reverse ? INFINITY : -INFINITY)) {
        seek_end(walk, walk->range.is_reverse);
        return;
    }
    zset_score_edge(&walk->range, walk->range.is_reverse, edge);
    seek_towards(walk, (struct bytes){edge, sizeof(edge)});
}

// --- By member ---

static bool is_below_member(const struct zset_bound *min, struct bytes member) {
    if (min->place != ZSET_PLACE_MEMBER)
        return min->place == ZSET_PLACE_GREATEST;
    int order = bytes_compare(member, min->member);
    return order < 0 || (min->is_excluded && order == 0);
}

static bool is_above_member(const struct zset_bound *max, struct bytes member) {
    if (max->place != ZSET_PLACE_MEMBER)
        return max->place == ZSET_PLACE_LEAST;
    int order = bytes_compare(member, max->member);
    return order > 0 || (max->is_excluded && order == 0);
}

static void seek_member(struct zset_walk *walk) {
    const struct zset_range *range = &walk->range;
    if (range->is_reverse && range->max.place != ZSET_PLACE_MEMBER)
        collection_iterator_seek_last(walk->iterator);
    else if (range->is_reverse)
        collection_iterator_seek_back(walk->iterator, range->max.member);
    else
        collection_iterator_seek(walk->iterator, range->min.member); // empty for "-"
}

// --- By the index of ranks ---

// How far it would have to be walked to the first element.
static uint64_t way_of(struct zset_walk *walk) {
    if (walk->range.kind != ZSET_BY_RANK)
        return (uint64_t)walk->range.offset;
    choose_end(walk);
    return walk->skip;
}

// --- All ---

static bool is_below(const struct zset_range *range, const struct zset_element *element) {
    if (range->kind == ZSET_BY_RANK)
        return false;
    return range->kind == ZSET_BY_SCORE ? is_below_score(&range->min, element->score)
                                        : is_below_member(&range->min, element->member);
}

static bool is_above(const struct zset_range *range, const struct zset_element *element) {
    if (range->kind == ZSET_BY_RANK)
        return false;
    return range->kind == ZSET_BY_SCORE ? is_above_score(&range->max, element->score)
                                        : is_above_member(&range->max, element->member);
}

static bool is_empty(struct zset_range *range, uint64_t size) {
    if (range->kind == ZSET_BY_RANK)
        return !zset_range_resolve_ranks(range, size);
    if (range->offset < 0 || (uint64_t)range->offset >= size)
        return true;
    if (range->kind == ZSET_BY_SCORE)
        return range->min.score > range->max.score;
    return range->min.place == ZSET_PLACE_GREATEST || range->max.place == ZSET_PLACE_LEAST;
}

// Seeks lead to an excluded bound as well: the first element within the range is what counts.
static bool enter(struct zset_walk *walk, const struct zset_element *element) {
    const struct zset_range *range = &walk->range;
    walk->has_entered =
        walk->has_entered || !(range->is_reverse ? is_above(range, element) : is_below(range, element));
    return walk->has_entered;
}

static bool is_over(const struct zset_walk *walk, const struct zset_element *element) {
    return walk->range.is_reverse ? is_below(&walk->range, element) : is_above(&walk->range, element);
}

// Without a position yet.
static void open_walk(struct zset_walk *walk, const struct collection *set, const struct zset_range *range) {
    *walk = (struct zset_walk){.session = set->session,
                               .range = *range,
                               .size = set->metadata.size,
                               .is_hash = set->metadata.type == VALUE_HASH};
    if (is_empty(&walk->range, walk->size))
        return;
    walk->iterator =
        collection_iterator_open(set, range->kind == ZSET_BY_LEX ? FAMILY_DEFAULT : FAMILY_ZSET_SCORE);
    if (range->kind != ZSET_BY_LEX)
        collection_iterator_use_ends(walk->iterator, set, range->is_locked);
}

void zset_walk_open(struct zset_walk *walk, const struct collection *set, const struct zset_range *range) {
    open_walk(walk, set, range);
    if (walk->iterator != NULL)
        zset_jump_prepare(walk, set, way_of(walk));
    zset_walk_rewind(walk);
}

void zset_walk_open_behind(struct zset_walk *walk, const struct collection *set,
                           const struct zset_range *range, struct bytes sub_key, uint64_t left) {
    struct bytes met;
    open_walk(walk, set, range);
    if (walk->iterator == NULL)
        return;
    walk->left = left;
    walk->has_entered = true;
    seek_towards(walk, sub_key);
    if (step(walk, walk->range.is_reverse, &met, NULL) && !bytes_equal(met, sub_key))
        seek_towards(walk, met);
}

void zset_walk_rewind(struct zset_walk *walk) {
    walk->has_entered = false;
    if (walk->iterator == NULL)
        return;
    bool by_rank = walk->range.kind == ZSET_BY_RANK;
    walk->left = walk->range.limit < 0 ? UINT64_MAX : (uint64_t)walk->range.limit;
    if (by_rank)
        walk->left = (uint64_t)(walk->range.stop - walk->range.start) + 1;
    walk->skip = (uint64_t)walk->range.offset;
    if (walk->jumps)
        zset_jump(walk);
    else if (by_rank)
        seek_rank(walk);
    else if (walk->range.kind == ZSET_BY_SCORE)
        seek_score(walk);
    else
        seek_member(walk);
}

static char *keep(struct bytes *member) {
    char *kept = memory_copy(member->data, member->length);
    member->data = kept;
    return kept;
}

void zset_walk_keep(struct zset_walk *walk) {
    walk->kept_min = keep(&walk->range.min.member);
    walk->kept_max = keep(&walk->range.max.member);
}

enum walk_step zset_walk_step(struct zset_walk *walk, struct zset_element *element) {
    bool by_rank = walk->range.kind == ZSET_BY_RANK;
    if (walk->left == 0 || walk->iterator == NULL || walk->is_damaged)
        return WALK_END;
    if (by_rank && walk->skip != 0)
        return pass_rank(walk);
    if (!next_element(walk, element)) {
        walk->is_damaged = walk->is_damaged || by_rank; // less than the size says
        return WALK_END;
    }
    if (!enter(walk, element))
        return WALK_PASSED;
    if (is_over(walk, element))
        return WALK_END;
    if (walk->skip != 0) {
        walk->skip--;
        return WALK_PASSED;
    }
    walk->left--;
    return WALK_ELEMENT;
}

bool zset_walk_next(struct zset_walk *walk, struct zset_element *element) {
    enum walk_step taken = WALK_PASSED;
    while (taken == WALK_PASSED)
        taken = zset_walk_step(walk, element);
    return taken == WALK_ELEMENT;
}

const char *zset_walk_error(const struct zset_walk *walk) {
    enum store_status status = STORE_OK;
    if (walk->iterator != NULL)
        status = collection_iterator_status(walk->iterator);
    if (status != STORE_OK)
        return session_error(walk->session, status);
    return walk->is_damaged ? zset_damaged_error() : NULL;
}

void zset_walk_close(struct zset_walk *walk) {
    if (walk->iterator != NULL)
        collection_iterator_close(walk->iterator);
    walk->iterator = NULL;
    buffer_release(&walk->from.first);
    free(walk->kept_min);
    free(walk->kept_max);
}

bool zset_walk_end(struct zset_walk *walk, struct command_context *context, struct output_mark before) {
    const char *error = zset_walk_error(walk);
    if (error != NULL) {
        output_truncate(&context->reply->output, before);
        reply_error(context->reply, error);
    }
    zset_walk_close(walk);
    return error == NULL;
}
