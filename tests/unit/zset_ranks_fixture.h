// SPDX-License-Identifier: Apache-2.0
//
// A sorted set of numbers in a store, and beside it a plain array of which are there, against which ranks are
// checked. Include after cmocka.h.
#ifndef KVFENCE_TESTS_UNIT_ZSET_RANKS_FIXTURE_H
#define KVFENCE_TESTS_UNIT_ZSET_RANKS_FIXTURE_H

#include "store_fixture.h"

#include "store/collection.h"
#include "store/zset_ranks.h"

enum { NUMBERS = 6000, NUMBER_TEXT = 48 };

struct numbers {
    struct store_fixture fixture;
    struct bytes key;
    bool is_there[NUMBERS];
    bool is_careless; // puts what is there, and deletes what is not, as no command of this server may
    unsigned short random[3];
};

// As cmocka's set-up and tear-down. Indexes may take 256 KiB, and own writes are verified.
int numbers_open(void **state);
int numbers_close(void **state);

uint64_t numbers_draw(struct numbers *numbers, uint64_t below);
// The sub-key of a number, in the order of the numbers.
struct bytes numbers_sub_key(uint64_t number, char text[NUMBER_TEXT]);

// One write of the session to the set: begin, then changes, then end, which commits.
struct numbers_write {
    struct store_session *session;
    struct collection set;
};
enum numbers_way { NUMBERS_ALONE, NUMBERS_TRANSACTION, NUMBERS_GATHERED };
void numbers_write_begin(struct numbers *numbers, struct numbers_write *write, enum numbers_way way);
void numbers_put(struct numbers *numbers, struct numbers_write *write, uint64_t number);
void numbers_take(struct numbers *numbers, struct numbers_write *write, uint64_t number);
void numbers_write_end(struct numbers_write *write);
// The same for other threads than the test's own, which must not assert. No end without a beginning.
bool numbers_write_try_begin(struct numbers *numbers, struct numbers_write *write, enum numbers_way way);
bool numbers_write_try_end(struct numbers_write *write);
// All numbers that `step` divides, in one write, in place of what was there.
void numbers_fill(struct numbers *numbers, uint64_t step);

// Reads the set in a snapshot, which the caller ends.
struct collection numbers_read(struct store_session *session, struct bytes key);
// Makes the index, if there is none, by telling of a long walk.
void numbers_make_index(struct store_session *session, struct bytes key);
// How many elements are below this sub-key, by the index and a short walk.
enum zset_ranks_answer numbers_count_below(const struct collection *set, struct bytes sub_key,
                                           uint64_t *count);
// The index answers, and is right about these numbers of ranks and sub-keys that are drawn, and about the
// first and the last. False: there is none.
bool numbers_set_is_ranked_right(struct numbers *numbers, const struct collection *set, int checks);
// The same for the set as it is now.
bool numbers_are_ranked_right(struct numbers *numbers, struct store_session *session, int checks);

#endif
