// SPDX-License-Identifier: Apache-2.0
//
// Jumping to ranks. Uses: zset_rank, zset_value, store/collection.
#include "commands/zset_jump.h"

#include "base/buffer.h"

// --- The edges of ranges ---

static void next_place(char place[ENCODED_DOUBLE_SIZE]) {
    for (size_t at = ENCODED_DOUBLE_SIZE; at-- != 0;) {
        place[at] = (char)(place[at] + 1);
        if (place[at] != 0)
            break;
    }
}

// Where the elements of this score begin, or what is behind them.
static void score_edge(double score, bool behind, char out[ENCODED_DOUBLE_SIZE]) {
    encode_double(out, score);
    if (score == 0) // Kvrocks may have stored a -0, whose place is right before that of 0
        encode_double(out, behind ? 0.0 : -0.0);
    if (behind)
        next_place(out);
}

void zset_score_edge(const struct zset_range *range, bool last, char out[ENCODED_DOUBLE_SIZE]) {
    if (last)
        score_edge(range->max.score, !range->max.is_excluded, out);
    else
        score_edge(range->min.score, range->min.is_excluded, out);
}

// The score at one end of the set, as stored. False: it cannot be read.
static bool read_score_at_end(const struct collection *set, bool last, char out[ENCODED_DOUBLE_SIZE]) {
    struct collection_iterator *iterator = collection_iterator_open(set, FAMILY_ZSET_SCORE);
    struct bytes sub_key = {0};
    collection_iterator_use_ends(iterator, set, false);
    if (last)
        collection_iterator_seek_last(iterator);
    else
        collection_iterator_seek(iterator, (struct bytes){0});
    bool is_there = last ? collection_iterator_previous(iterator, &sub_key, NULL)
                         : collection_iterator_next(iterator, &sub_key, NULL);
    is_there = is_there && sub_key.length >= ENCODED_DOUBLE_SIZE;
    if (is_there)
        memcpy(out, sub_key.data, ENCODED_DOUBLE_SIZE);
    collection_iterator_close(iterator);
    return is_there;
}

static bool read_only_score(const struct collection *set, char out[ENCODED_DOUBLE_SIZE]) {
    char last[ENCODED_DOUBLE_SIZE];
    return read_score_at_end(set, false, out) && read_score_at_end(set, true, last) &&
           memcmp(out, last, sizeof(last)) == 0;
}

bool zset_range_has_ranks(const struct collection *set, const struct zset_range *range) {
    char score[ENCODED_DOUBLE_SIZE];
    return range->kind != ZSET_BY_LEX || read_only_score(set, score);
}

// Of a range by member, where all have this score.
static void append_member_edge(const struct zset_range *range, bool last, char score[ENCODED_DOUBLE_SIZE],
                               struct buffer *out) {
    const struct zset_bound *bound = last ? &range->max : &range->min;
    bool is_behind = last != bound->is_excluded;
    if (bound->place == ZSET_PLACE_GREATEST)
        next_place(score);
    buffer_append(out, (struct bytes){score, ENCODED_DOUBLE_SIZE});
    if (bound->place != ZSET_PLACE_MEMBER)
        return;
    buffer_append(out, bound->member);
    if (is_behind) // a member's next one is itself and a NUL
        buffer_append(out, (struct bytes){"", 1});
}

static enum zset_ranks_answer rank_of_edge(const struct collection *set, const struct zset_range *range,
                                           bool last, uint64_t *rank) {
    char score[ENCODED_DOUBLE_SIZE];
    struct buffer edge = {0};
    if (range->kind == ZSET_BY_LEX) {
        if (!read_only_score(set, score))
            return ZSET_RANKS_UNKNOWN;
        append_member_edge(range, last, score, &edge);
    } else {
        zset_score_edge(range, last, score);
        buffer_append(&edge, (struct bytes){score, sizeof(score)});
    }
    enum zset_ranks_answer answer = zset_rank_of(set, buffer_bytes(&edge), rank);
    buffer_release(&edge);
    return answer;
}

enum zset_ranks_answer zset_range_count(const struct collection *set, const struct zset_range *range,
                                        uint64_t *count) {
    uint64_t first = 0;
    uint64_t behind = 0;
    enum zset_ranks_answer answer = rank_of_edge(set, range, false, &first);
    if (answer == ZSET_RANKS_KNOWN)
        answer = rank_of_edge(set, range, true, &behind);
    if (answer == ZSET_RANKS_KNOWN)
        *count = behind > first ? behind - first : 0;
    return answer;
}

// --- Jumping ---

// The element that the walk begins with, by its rank from the set's beginning. What is not in the set has
// none: *is_beyond.
static enum zset_ranks_answer find_target(struct zset_walk *walk, const struct collection *set,
                                          bool *is_beyond) {
    const struct zset_range *range = &walk->range;
    uint64_t edge = 0;
    if (range->kind == ZSET_BY_RANK) {
        walk->target = range->is_reverse ? walk->size - 1 - (uint64_t)range->start : (uint64_t)range->start;
        return ZSET_RANKS_KNOWN;
    }
    enum zset_ranks_answer answer = rank_of_edge(set, range, range->is_reverse, &edge);
    if (answer != ZSET_RANKS_KNOWN)
        return answer;
    uint64_t offset = (uint64_t)range->offset; // less than the size
    *is_beyond = range->is_reverse ? edge <= offset : edge + offset >= walk->size;
    if (!*is_beyond)
        walk->target = range->is_reverse ? edge - 1 - offset : edge + offset;
    return ZSET_RANKS_KNOWN;
}

static enum zset_ranks_answer find_jump(struct zset_walk *walk, const struct collection *set,
                                        bool *is_beyond) {
    enum zset_ranks_answer answer = find_target(walk, set, is_beyond);
    if (answer == ZSET_RANKS_KNOWN && !*is_beyond)
        answer = zset_ranks_of_rank(set, walk->target, &walk->from);
    return answer;
}

void zset_jump_prepare(struct zset_walk *walk, const struct collection *set, uint64_t way) {
    bool is_beyond = false;
    if (!walk->range.may_use_index || way <= ZSET_WALK_SHORT || !zset_range_has_ranks(set, &walk->range))
        return;
    enum zset_ranks_answer answer = find_jump(walk, set, &is_beyond);
    if (answer == ZSET_RANKS_UNKNOWN && zset_ranks_note_walk(set, way))
        answer = find_jump(walk, set, &is_beyond);
    walk->is_outdated = answer == ZSET_RANKS_NEWER;
    walk->jumps = answer == ZSET_RANKS_KNOWN && !is_beyond;
    if (answer == ZSET_RANKS_KNOWN && is_beyond) {
        collection_iterator_close(walk->iterator);
        walk->iterator = NULL;
    }
}

// Where the walk's own order has the place that it jumps from.
static struct bytes start_of(const struct zset_walk *walk) {
    struct bytes first = buffer_bytes(&walk->from.first);
    if (walk->range.kind != ZSET_BY_LEX || first.length < ENCODED_DOUBLE_SIZE)
        return first;
    return (struct bytes){first.data + ENCODED_DOUBLE_SIZE, first.length - ENCODED_DOUBLE_SIZE};
}

// To the target from a place not far before it; or beyond it, to turn round there.
void zset_jump(struct zset_walk *walk) {
    struct bytes sub_key = {0};
    uint64_t steps = walk->target - walk->from.rank + walk->range.is_reverse;
    walk->skip = 0;
    collection_iterator_seek(walk->iterator, start_of(walk));
    for (; steps != 0 && !walk->is_damaged; steps--)
        walk->is_damaged = !collection_iterator_next(walk->iterator, &sub_key, NULL);
    if (walk->range.is_reverse && !walk->is_damaged)
        collection_iterator_seek_back(walk->iterator, sub_key);
}
