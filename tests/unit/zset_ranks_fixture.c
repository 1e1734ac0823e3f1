// SPDX-License-Identifier: Apache-2.0
//
// A sorted set of numbers. Uses: store, cmocka.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zset_ranks_fixture.h"

#include "store/zset_ranks_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MEMORY_MOST = 256 << 10, BUCKET_MOST = 4 * 64 };

int numbers_open(void **state) {
    static struct numbers numbers;
    const char *given = getenv("KVFENCE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("KVFENCE_SEED=%u\n", seed);
    numbers = (struct numbers){.key = BYTES_LITERAL("numbers"),
                               .random = {(unsigned short)seed, (unsigned short)(seed >> 16), 5}};
    store_fixture_open(&numbers.fixture, NULL);
    zset_ranks_close(numbers.fixture.store->zset_ranks);
    numbers.fixture.store->zset_ranks = zset_ranks_open(MEMORY_MOST);
    numbers.fixture.store->zset_ranks->verifies = true;
    *state = &numbers;
    return 0;
}

int numbers_close(void **state) {
    struct numbers *numbers = *state;
    store_fixture_close(&numbers->fixture);
    return 0;
}

uint64_t numbers_draw(struct numbers *numbers, uint64_t below) {
    return (uint64_t)nrand48(numbers->random) % below;
}

struct bytes numbers_sub_key(uint64_t number, char text[NUMBER_TEXT]) {
    (void)snprintf(text, NUMBER_TEXT, "%08" PRIu64 " is a member of some length", number);
    return bytes_from_text(text);
}

// --- Writing ---

bool numbers_write_try_begin(struct numbers *numbers, struct numbers_write *write, enum numbers_way way) {
    write->session = numbers->fixture.sessions[0];
    session_write_begin(write->session, &numbers->key, 1);
    if (way == NUMBERS_TRANSACTION)
        session_transaction_begin(write->session);
    if (way == NUMBERS_GATHERED)
        session_gather_begin(write->session);
    bool is_open =
        collection_open_for_write(write->session, numbers->key, VALUE_ZSET, 1, &write->set) == STORE_OK;
    if (!is_open)
        session_write_end(write->session);
    return is_open;
}

void numbers_write_begin(struct numbers *numbers, struct numbers_write *write, enum numbers_way way) {
    assert_true(numbers_write_try_begin(numbers, write, way));
}

void numbers_put(struct numbers *numbers, struct numbers_write *write, uint64_t number) {
    char text[NUMBER_TEXT];
    if (numbers->is_there[number] && !numbers->is_careless)
        return;
    collection_put(&write->set, FAMILY_ZSET_SCORE, numbers_sub_key(number, text), (struct bytes){0});
    write->set.metadata.size += !numbers->is_there[number];
    numbers->is_there[number] = true;
}

void numbers_take(struct numbers *numbers, struct numbers_write *write, uint64_t number) {
    char text[NUMBER_TEXT];
    if (!numbers->is_there[number] && !numbers->is_careless)
        return;
    collection_delete(&write->set, FAMILY_ZSET_SCORE, numbers_sub_key(number, text));
    write->set.metadata.size -= numbers->is_there[number];
    numbers->is_there[number] = false;
}

bool numbers_write_try_end(struct numbers_write *write) {
    collection_save(&write->set);
    bool is_written = store_commit(write->session) == STORE_OK;
    session_write_end(write->session);
    return store_settle(write->session) == SETTLED && is_written;
}

void numbers_write_end(struct numbers_write *write) {
    assert_true(numbers_write_try_end(write));
}

void numbers_fill(struct numbers *numbers, uint64_t step) {
    struct numbers_write write;
    memset(numbers->is_there, 0, sizeof(numbers->is_there));
    numbers_write_begin(numbers, &write, NUMBERS_ALONE);
    collection_open_anew(write.session, numbers->key, VALUE_ZSET, &write.set);
    for (uint64_t number = 0; number < NUMBERS; number += step)
        numbers_put(numbers, &write, number);
    numbers_write_end(&write);
}

// --- Reading ---

struct collection numbers_read(struct store_session *session, struct bytes key) {
    struct collection set;
    session_snapshot_begin(session);
    assert_int_equal(collection_open(session, key, VALUE_ZSET, 1, &set), STORE_OK);
    return set;
}

void numbers_make_index(struct store_session *session, struct bytes key) {
    struct collection set = numbers_read(session, key);
    (void)zset_ranks_note_walk(&set, set.metadata.size);
    session_snapshot_end(session);
}

enum zset_ranks_answer numbers_count_below(const struct collection *set, struct bytes sub_key,
                                           uint64_t *count) {
    struct zset_rank_place place;
    struct bytes found;
    enum zset_ranks_answer answer = zset_ranks_of_sub_key(set, sub_key, &place);
    if (answer != ZSET_RANKS_KNOWN)
        return answer;
    struct collection_iterator *iterator = collection_iterator_open(set, FAMILY_ZSET_SCORE);
    *count = place.rank;
    collection_iterator_seek(iterator, buffer_bytes(&place.first));
    while (collection_iterator_next(iterator, &found, NULL) && bytes_compare(found, sub_key) < 0)
        ++*count;
    assert_int_equal(collection_iterator_status(iterator), STORE_OK);
    collection_iterator_close(iterator);
    buffer_release(&place.first);
    assert_true(*count - place.rank <= BUCKET_MOST);
    return answer;
}

static uint64_t model_below(const struct numbers *numbers, uint64_t number) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < number; i++)
        count += numbers->is_there[i];
    return count;
}

// The element of this rank is found from the place that is told for it.
static void check_rank(const struct numbers *numbers, const struct collection *set, uint64_t rank) {
    struct zset_rank_place place;
    struct bytes found = BYTES_LITERAL("");
    char text[NUMBER_TEXT] = "";
    assert_int_equal(zset_ranks_of_rank(set, rank, &place), ZSET_RANKS_KNOWN);
    assert_true(place.rank <= rank && rank - place.rank <= BUCKET_MOST);
    struct collection_iterator *iterator = collection_iterator_open(set, FAMILY_ZSET_SCORE);
    collection_iterator_seek(iterator, buffer_bytes(&place.first));
    for (uint64_t at = place.rank; at <= rank; at++)
        assert_true(collection_iterator_next(iterator, &found, NULL));
    assert_in_range(found.length, 1, sizeof(text) - 1);
    memcpy(text, found.data, found.length);
    uint64_t number = strtoul(text, NULL, 10);
    assert_true(numbers->is_there[number]);
    assert_int_equal(model_below(numbers, number), rank);
    collection_iterator_close(iterator);
    buffer_release(&place.first);
}

static enum zset_ranks_answer check_number(const struct numbers *numbers, const struct collection *set,
                                           uint64_t number) {
    char text[NUMBER_TEXT];
    uint64_t count = 0;
    enum zset_ranks_answer answer = numbers_count_below(set, numbers_sub_key(number, text), &count);
    if (answer == ZSET_RANKS_KNOWN)
        assert_int_equal(count, model_below(numbers, number));
    return answer;
}

bool numbers_set_is_ranked_right(struct numbers *numbers, const struct collection *set, int checks) {
    assert_int_equal(set->metadata.size, model_below(numbers, NUMBERS));
    if (check_number(numbers, set, 0) != ZSET_RANKS_KNOWN)
        return false;
    for (int i = 0; i < checks; i++) {
        assert_int_equal(check_number(numbers, set, numbers_draw(numbers, NUMBERS)), ZSET_RANKS_KNOWN);
        check_rank(numbers, set, numbers_draw(numbers, set->metadata.size));
    }
    check_rank(numbers, set, 0);
    check_rank(numbers, set, set->metadata.size - 1);
    return true;
}

bool numbers_are_ranked_right(struct numbers *numbers, struct store_session *session, int checks) {
    struct collection set = numbers_read(session, numbers->key);
    bool is_known = numbers_set_is_ranked_right(numbers, &set, checks);
    session_snapshot_end(session);
    return is_known;
}
