// SPDX-License-Identifier: Apache-2.0
//
// What LREM and LINSERT write: as few elements as close or open the hole, in the right places.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command_fixture.h"

#include "base/random.h"
#include "commands/handlers.h"
#include "store/write_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void count_changes(void *context, struct bytes batch) {
    size_t *count = context;
    struct write_batch_record record;
    size_t at = WRITE_BATCH_HEADER_SIZE;
    while (write_batch_next(batch, &at, &record))
        *count += record.kind != WRITE_BATCH_LOG_DATA;
    assert_int_equal(at, batch.length);
}

static void push(struct command_fixture *fixture, const char *element) {
    (void)fixture_run(fixture, command_rpush, "RPUSH", "l", element);
}

static void push_some(struct command_fixture *fixture, size_t count) {
    for (size_t i = 0; i < count; i++)
        push(fixture, "some");
}

static size_t changes_of_removal(struct command_fixture *fixture, const char *count, const char *element) {
    size_t changes = 0;
    store_observe(fixture->server.store, count_changes, &changes);
    const char *reply = fixture_run(fixture, command_lrem, "LREM", "l", count, element);
    store_observe(fixture->server.store, NULL, NULL);
    if (reply[0] != ':')
        fail_msg("%s", reply);
    return changes;
}

static void removing_near_an_end_moves_only_what_is_nearer_to_it(void **state) {
    struct command_fixture *fixture = *state;
    push(fixture, "first");
    push_some(fixture, 50);
    push(fixture, "middle");
    push_some(fixture, 40);
    push(fixture, "last");
    push(fixture, "end");
    // The element that goes and the metadata.
    assert_int_equal(changes_of_removal(fixture, "1", "first"), 2);
    assert_int_equal(changes_of_removal(fixture, "1", "last"), 3);
    assert_int_equal(changes_of_removal(fixture, "-1", "end"), 2);
    assert_int_equal(changes_of_removal(fixture, "0", "middle"), 42);
    assert_int_equal(changes_of_removal(fixture, "3", "some"), 4);
    assert_int_equal(changes_of_removal(fixture, "-3", "some"), 4);
    assert_string_equal(fixture_run(fixture, command_llen, "LLEN", "l"), ":84\r\n");
}

static void removing_all_that_a_list_has_deletes_its_key_alone(void **state) {
    struct command_fixture *fixture = *state;
    push_some(fixture, 20);
    assert_int_equal(changes_of_removal(fixture, "0", "some"), 1);
    assert_string_equal(fixture_run(fixture, command_lrange, "LRANGE", "l", "0", "-1"), "*0\r\n");
}

// --- Against a model ---

enum { MODEL_MAX = 4096 };

struct model {
    char elements[MODEL_MAX]; // each element is a letter, repeated
    size_t length;
};

static size_t model_remove(struct model *model, int count, char element) {
    size_t left = count == 0 ? MODEL_MAX : (size_t)abs(count);
    size_t removed = 0;
    for (size_t i = 0; i < model->length && left != 0; i++) {
        size_t at = count < 0 ? model->length - 1 - i : i;
        if (model->elements[at] != element)
            continue;
        model->elements[at] = '\0';
        removed++;
        left--;
    }
    size_t kept = 0;
    for (size_t i = 0; i < model->length; i++)
        if (model->elements[i] != '\0')
            model->elements[kept++] = model->elements[i];
    model->length = kept;
    return removed;
}

static void model_insert(struct model *model, bool after, char pivot, char element) {
    const char *found = memchr(model->elements, pivot, model->length);
    if (found == NULL)
        return;
    size_t at = (size_t)(found - model->elements) + after;
    memmove(model->elements + at + 1, model->elements + at, model->length - at);
    model->elements[at] = element;
    model->length++;
}

// Elements of this size take some portions to move.
enum { ELEMENT_SIZE = 120000 };

static const char *element_of(char letter) {
    static char element[ELEMENT_SIZE + 1];
    memset(element, letter, ELEMENT_SIZE);
    return element;
}

static void expect_list(struct command_fixture *fixture, const struct model *model) {
    const char *reply = fixture_run(fixture, command_lrange, "LRANGE", "l", "0", "-1");
    char header[32];
    (void)snprintf(header, sizeof(header), "*%zu\r\n", model->length);
    assert_memory_equal(reply, header, strlen(header));
    const char *at = reply + strlen(header);
    for (size_t i = 0; i < model->length; i++) {
        at = strstr(at, "\r\n") + 2; // behind the length
        if (at[0] != model->elements[i] || at[ELEMENT_SIZE - 1] != model->elements[i])
            fail_msg("element %zu of %zu is %c, not %c", i, model->length, at[0], model->elements[i]);
        at += ELEMENT_SIZE + 2;
    }
    assert_int_equal(*at, '\0');
}

static void lrem_in_transaction(struct command_context *context) {
    session_transaction_begin(context->session);
    command_lrem(context);
}

static void linsert_in_transaction(struct command_context *context) {
    session_transaction_begin(context->session);
    command_linsert(context);
}

static void remove_some(struct command_fixture *fixture, struct model *model,
                        struct random_sequence *random) {
    int count = (int)random_sequence_below(random, 9) - 4;
    char letter = (char)('a' + random_sequence_below(random, 4));
    bool in_transaction = random_sequence_below(random, 2) != 0;
    char number[16];
    char expected[32];
    (void)snprintf(number, sizeof(number), "%d", count);
    (void)snprintf(expected, sizeof(expected), ":%zu\r\n", model_remove(model, count, letter));
    assert_string_equal(fixture_run(fixture, in_transaction ? lrem_in_transaction : command_lrem, "LREM", "l",
                                    number, element_of(letter)),
                        expected);
}

static void insert_one(struct command_fixture *fixture, struct model *model, struct random_sequence *random) {
    bool after = random_sequence_below(random, 2) != 0;
    bool in_transaction = random_sequence_below(random, 2) != 0;
    char pivot = (char)('a' + random_sequence_below(random, 4));
    char letter = (char)('a' + random_sequence_below(random, 4));
    char *pivot_text = strdup(element_of(pivot));
    assert_non_null(pivot_text);
    (void)fixture_run(fixture, in_transaction ? linsert_in_transaction : command_linsert, "LINSERT", "l",
                      after ? "AFTER" : "BEFORE", pivot_text, element_of(letter));
    free(pivot_text);
    model_insert(model, after, pivot, letter);
}

static void elements_stay_in_order_whatever_is_removed_and_inserted(void **state) {
    struct command_fixture *fixture = *state;
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : random_number();
    struct random_sequence random = {seed};
    struct model model = {.length = 0};
    print_message("SEED=%llu\n", (unsigned long long)seed);
    for (int round = 0; round < 60; round++) {
        while (model.length < 60) {
            char letter = (char)('a' + random_sequence_below(&random, 4));
            push(fixture, element_of(letter));
            model.elements[model.length++] = letter;
        }
        remove_some(fixture, &model, &random);
        insert_one(fixture, &model, &random);
        expect_list(fixture, &model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(removing_near_an_end_moves_only_what_is_nearer_to_it,
                                        command_fixture_open, command_fixture_close),
        cmocka_unit_test_setup_teardown(removing_all_that_a_list_has_deletes_its_key_alone,
                                        command_fixture_open, command_fixture_close),
        cmocka_unit_test_setup_teardown(elements_stay_in_order_whatever_is_removed_and_inserted,
                                        command_fixture_open, command_fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
