// SPDX-License-Identifier: Apache-2.0
//
// The log data in the batches of commands: what Kvrocks' batch extractor, which makes commands of batches,
// needs to know in front of the changes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command_fixture.h"

#include "commands/handlers.h"
#include "store/encoding.h"

#include <stdio.h>
#include <string.h>

// --- Batches as texts ---

// RocksDB's tags of the records that commands write. The default family is not named.
enum { TAG_DELETION = 0, TAG_VALUE = 1, TAG_LOG_DATA = 3, TAG_FAMILY_DELETION = 4, TAG_FAMILY_VALUE = 5 };

static char take_byte(struct bytes *batch) {
    assert_true(batch->length > 0);
    batch->length--;
    return *batch->data++;
}

// Everything in these tests is shorter than 128 bytes.
static struct bytes take_bytes(struct bytes *batch) {
    size_t length = (size_t)take_byte(batch);
    assert_true(length < 128 && length <= batch->length);
    struct bytes taken = {batch->data, length};
    batch->data += length;
    batch->length -= length;
    return taken;
}

static void describe_change(struct bytes *batch, char tag, struct buffer *text) {
    bool is_put = tag == TAG_VALUE || tag == TAG_FAMILY_VALUE;
    bool is_default = tag == TAG_DELETION || tag == TAG_VALUE;
    char family = is_default ? FAMILY_DEFAULT : take_byte(batch);
    (void)take_bytes(batch);
    struct bytes value = is_put ? take_bytes(batch) : (struct bytes){0};
    if (family == FAMILY_METADATA) {
        buffer_append(text, is_put ? BYTES_LITERAL(" key") : BYTES_LITERAL(" -key"));
    } else if (family == FAMILY_DEFAULT) {
        buffer_append(text, is_put ? BYTES_LITERAL(" put:") : BYTES_LITERAL(" delete"));
        buffer_append(text, value);
    }
}

// The log data in brackets, "key" or "-key" for metadata, "put:<value>" or "delete" for sub-keys.
static void describe(void *context, struct bytes batch) {
    enum { HEADER_SIZE = 12 };
    struct buffer *text = context;
    assert_true(batch.length >= HEADER_SIZE);
    batch.data += HEADER_SIZE;
    batch.length -= HEADER_SIZE;
    while (batch.length != 0) {
        char tag = take_byte(&batch);
        if (tag == TAG_LOG_DATA) {
            buffer_append(text, BYTES_LITERAL(" ["));
            buffer_append(text, take_bytes(&batch));
            buffer_append(text, BYTES_LITERAL("]"));
        } else {
            assert_in_range(tag, TAG_DELETION, TAG_FAMILY_VALUE);
            describe_change(&batch, tag, text);
        }
    }
}

static void expect_batch(struct command_fixture *fixture, const char *expected, command_function *function,
                         const char *const *arguments, size_t count) {
    struct buffer text = {0};
    store_observe(fixture->server.store, describe, &text);
    const char *reply = fixture_run_array(fixture, function, arguments, count);
    store_observe(fixture->server.store, NULL, NULL);
    if (reply[0] == '-')
        fail_msg("%s: %s", arguments[0], reply);
    buffer_append(&text, (struct bytes){"", 1});
    assert_string_equal(text.data, expected);
    buffer_release(&text);
}
#define expect(fixture, expected, function, ...)                                                             \
    expect_batch(fixture, expected, function, (const char *const[]){__VA_ARGS__},                            \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

// --- One command a batch ---

static void pushes_and_pops_are_named_by_their_end(void **state) {
    struct command_fixture *fixture = *state;
    expect(fixture, " [3 7] put:a put:b key", command_rpush, "RPUSH", "l", "a", "b");
    expect(fixture, " [3 6] put:c put:d key", command_lpush, "LPUSH", "l", "c", "d");
    expect(fixture, " [3 7] put:e key", command_rpushx, "RPUSHX", "l", "e");
    expect(fixture, " [3 3] delete key", command_lpop, "LPOP", "l");
    expect(fixture, " [3 4] delete delete key", command_rpop, "RPOP", "l", "2");
    expect(fixture, " [0] -key", command_lmpop, "LMPOP", "1", "l", "RIGHT", "COUNT", "9");
}

static void changes_inside_a_list_are_named_with_their_arguments(void **state) {
    struct command_fixture *fixture = *state;
    (void)fixture_run(fixture, command_rpush, "RPUSH", "l", "a", "b", "c", "d", "e", "f", "g");
    expect(fixture, " [3 0 6] put:h", command_lset, "LSET", "l", "-1", "h");
    expect(fixture, " [3 1 1 b n] put:n put:a put:n key", command_linsert, "LINSERT", "l", "BEFORE", "b",
           "n");
    expect(fixture, " [3 1 0 h m] put:m put:m key", command_linsert, "LINSERT", "l", "AFTER", "h", "m");
    expect(fixture, " [3 5 1 n] put:a delete key", command_lrem, "LREM", "l", "1", "n");
    expect(fixture, " [3 2 1 6] delete delete key", command_ltrim, "LTRIM", "l", "1", "-2");
    expect(fixture, " [0] -key", command_ltrim, "LTRIM", "l", "5", "2");
}

static void a_list_that_is_made_anew_of_the_little_that_is_kept_is_named_as_such(void **state) {
    struct command_fixture *fixture = *state;
    for (int i = 0; i < 100; i++)
        (void)fixture_run(fixture, command_rpush, "RPUSH", "l", "a");
    (void)fixture_run(fixture, command_expire, "EXPIRE", "l", "1000");
    expect(fixture, " [0] -key [3 7] put:a put:a [0 8] key", command_ltrim, "LTRIM", "l", "0", "1");
}

static void a_move_is_named_once_for_both_lists(void **state) {
    struct command_fixture *fixture = *state;
    (void)fixture_run(fixture, command_rpush, "RPUSH", "from", "a", "b");
    expect(fixture, " [3 12 from to left right] delete key put:a key", command_lmove, "LMOVE", "from", "to",
           "LEFT", "RIGHT");
    expect(fixture, " [3 12 from to right left] delete -key put:b key", command_rpoplpush, "RPOPLPUSH",
           "from", "to");
    expect(fixture, " [3 12 to to right left] delete put:a key", command_lmove, "LMOVE", "to", "to", "RIGHT",
           "LEFT");
}

static void an_expiry_is_named_whatever_the_type(void **state) {
    struct command_fixture *fixture = *state;
    (void)fixture_run(fixture, command_set, "SET", "s", "v");
    (void)fixture_run(fixture, command_hset, "HSET", "h", "f", "v");
    expect(fixture, " [0 8] key", command_expire, "EXPIRE", "s", "1000");
    expect(fixture, " [0 8] key", command_expire, "EXPIRE", "h", "1000");
    expect(fixture, " [0 8] key", command_persist, "PERSIST", "h");
    expect(fixture, " [0] -key", command_expire, "EXPIRE", "h", "-1");
}

static void a_copy_is_named_so_that_nothing_of_it_is_lost(void **state) {
    struct command_fixture *fixture = *state;
    (void)fixture_run(fixture, command_rpush, "RPUSH", "l", "a", "b");
    (void)fixture_run(fixture, command_hset, "HSET", "h", "f", "v");
    (void)fixture_run(fixture, command_expire, "EXPIRE", "h", "1000");
    expect(fixture, " [3 7] put:a put:b key", command_copy, "COPY", "l", "m");
    expect(fixture, " [2] put:v [0 8] key", command_copy, "COPY", "h", "i");
    expect(fixture, " [3 7] put:a put:b key", command_sort, "SORT", "l", "ALPHA", "STORE", "n");
}

static void other_types_are_named_alone(void **state) {
    struct command_fixture *fixture = *state;
    expect(fixture, " [1] key", command_set, "SET", "s", "v");
    expect(fixture, " [2] put:v key", command_hset, "HSET", "h", "f", "v");
    expect(fixture, " [4] put: key", command_sadd, "SADD", "t", "m");
    expect(fixture, " [4] delete -key", command_srem, "SREM", "t", "m");
    expect(fixture, " [0] -key -key", command_del, "DEL", "s", "h");
}

// --- Several commands a batch ---

static void run_queued(struct command_context *context, command_function *function, const char *const *words,
                       size_t count) {
    struct bytes arguments[8];
    struct command_context queued = *context;
    assert_in_range(count, 1, 8);
    for (size_t i = 0; i < count; i++)
        arguments[i] = bytes_from_text(words[i]);
    queued.arguments = arguments;
    queued.count = count;
    session_savepoint(context->session);
    function(&queued);
}
#define queue(context, function, ...)                                                                        \
    run_queued(context, function, (const char *const[]){__VA_ARGS__},                                        \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void change_types(struct command_context *context) {
    session_transaction_begin(context->session);
    queue(context, command_del, "DEL", "x");
    queue(context, command_hset, "HSET", "h", "f", "v");
    queue(context, command_hset, "HSET", "h", "g", "w");
    queue(context, command_sadd, "SADD", "t", "m");
    queue(context, command_lpush, "LPUSH", "l", "a");
    queue(context, command_lpush, "LPUSH", "l", "b");
    queue(context, command_lset, "LSET", "l", "0", "c");
    queue(context, command_expire, "EXPIRE", "l", "1000");
    queue(context, command_rpush, "RPUSH", "l", "d");
    queue(context, command_set, "SET", "s", "v");
}

static void each_change_of_type_or_command_in_a_transaction_is_named(void **state) {
    struct command_fixture *fixture = *state;
    (void)fixture_run(fixture, command_set, "SET", "x", "v");
    expect(fixture,
           " [0] -key [2] put:v key put:w key [4] put: key [3 6] put:a key put:b key [3 0 0] put:c [0 8] key "
           "[3 7] put:d key [1] key",
           change_types, "EXEC");
}

static void roll_back(struct command_context *context) {
    session_transaction_begin(context->session);
    queue(context, command_hset, "HSET", "h", "f", "v");
    queue(context, command_lpush, "LPUSH", "l", "a");
    session_rollback_to_savepoint(context->session);
    queue(context, command_lpush, "LPUSH", "l", "b");
    session_rollback_to_savepoint(context->session);
    queue(context, command_hset, "HSET", "h", "g", "w");
}

static void a_command_that_is_taken_back_leaves_no_name(void **state) {
    struct command_fixture *fixture = *state;
    expect(fixture, " [2] put:v key put:w key", roll_back, "EXEC");
}

static void roll_back_the_first(struct command_context *context) {
    session_transaction_begin(context->session);
    queue(context, command_hset, "HSET", "h", "f", "v");
    session_rollback_to_savepoint(context->session);
    queue(context, command_hset, "HSET", "h", "g", "w");
}

static void what_follows_a_first_command_that_is_taken_back_is_named(void **state) {
    struct command_fixture *fixture = *state;
    expect(fixture, " [2] put:w key", roll_back_the_first, "EXEC");
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, command_fixture_open, command_fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        with_store(pushes_and_pops_are_named_by_their_end),
        with_store(changes_inside_a_list_are_named_with_their_arguments),
        with_store(a_list_that_is_made_anew_of_the_little_that_is_kept_is_named_as_such),
        with_store(a_move_is_named_once_for_both_lists),
        with_store(an_expiry_is_named_whatever_the_type),
        with_store(a_copy_is_named_so_that_nothing_of_it_is_lost),
        with_store(other_types_are_named_alone),
        with_store(each_change_of_type_or_command_in_a_transaction_is_named),
        with_store(a_command_that_is_taken_back_leaves_no_name),
        with_store(what_follows_a_first_command_that_is_taken_back_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
