// SPDX-License-Identifier: Apache-2.0
//
// Slots on the move as a value, and as a node in its cluster goes through the states of a migration and of an
// import; what it tells clients in each, and what a restart makes of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// "bar" is in slot 5061, A's; "foo" in 12182, B's.
static const struct slot_range bar = {5061, 5061};
static const struct slot_range foo = {12182, 12182};
static char error[CLUSTER_ERROR_SIZE];

static int open_fixture(void **state) {
    int result = cluster_fixture_open(state);
    cluster_fixture_set(*state, ID_A, TWO_MASTERS, 1);
    return result;
}

static int close_fixture(void **state) {
    const struct cluster_fixture *fixture = *state;
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/slots.conf", fixture->directory);
    (void)unlink(path);
    return cluster_fixture_close(state);
}

struct asker {
    bool changes, asks;
    uint64_t client;
};

static void expect_answer(struct cluster_fixture *fixture, const char *key, struct asker asker,
                          const char *wanted) {
    char answer[CLUSTER_ROUTE_SIZE] = "served";
    struct bytes bytes = bytes_from_text(key);
    const struct cluster_request request = {
        .keys = &bytes, .key_count = 1, .changes = asker.changes, .asks = asker.asks, .client = asker.client};
    (void)cluster_route(fixture->cluster, &request, answer);
    if (strncmp(answer, wanted, strlen(wanted)) != 0)
        fail_msg("%s is answered with '%s' and not '%s'", key, answer, wanted);
}

static const struct asker reader, writer = {.changes = true};

static void expect_report(struct cluster_fixture *fixture, const char *wanted) {
    struct buffer text = {0};
    struct cluster_view view = cluster_view_begin(fixture->cluster);
    slot_moves_describe(view.moves, &text);
    cluster_view_end(fixture->cluster);
    buffer_append(&text, (struct bytes){"", 1});
    assert_string_equal(text.data, wanted);
    buffer_release(&text);
}

// --- Ranges ---

static void ranges_are_read_strictly(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "-", "1-", "-1", "16384", "1-16384", "2-1", "1-2-3", "a", "1 "};
    struct slot_range range;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_non_null(slot_range_parse(bytes_from_text(wrong[i]), &range));
    assert_null(slot_range_parse(BYTES_LITERAL("0-16383"), &range));
    assert_true(range.first == 0 && range.last == 16383);
    assert_null(slot_range_parse(BYTES_LITERAL("7"), &range));
    assert_true(range.first == 7 && range.last == 7);
}

// --- Text ---

static void what_outlives_a_restart_is_written_and_read_back(void **state) {
    (void)state;
    static struct slot_moves moves, again;
    static const char wanted[] = "in-doubt 7 " ID_B " h 2\nforwarded 1-3 " ID_B " h 2\nforwarded 4-5 " ID_C
                                 " h 3\nimported 100\nleftover 200-300\n";
    const struct move_target b = {.id = ID_B, .host = "h", .port = 2};
    const struct move_target c = {.id = ID_C, .host = "h", .port = 3};
    struct buffer text = {0};
    struct buffer repeated = {0};
    memset(&moves, 0, sizeof(moves));
    assert_true(slot_moves_mark_target(&moves, (struct slot_range){1, 3}, SLOT_FORWARDED, &b));
    assert_true(slot_moves_mark_target(&moves, (struct slot_range){4, 5}, SLOT_FORWARDED, &c));
    assert_true(slot_moves_mark_target(&moves, (struct slot_range){7, 7}, SLOT_IN_DOUBT, &b));
    slot_moves_mark(&moves, (struct slot_range){8, 9}, SLOT_STOPPED); // not this: a restart ends it
    slot_moves_mark(&moves, (struct slot_range){100, 100}, SLOT_IMPORTED);
    slot_moves_mark(&moves, (struct slot_range){200, 300}, SLOT_LEFTOVER);
    slot_moves_print(&moves, &text);
    assert_true(bytes_equal(buffer_bytes(&text), BYTES_LITERAL(wanted)));
    assert_true(slot_moves_parse(buffer_bytes(&text), &again));
    slot_moves_print(&again, &repeated);
    assert_true(bytes_equal(buffer_bytes(&repeated), BYTES_LITERAL(wanted)));
    assert_int_equal(again.migration, MIGRATION_IN_DOUBT);
    assert_int_equal(again.import, IMPORT_DONE);
    buffer_release(&text);
    buffer_release(&repeated);
}

static void other_texts_are_refused(void **state) {
    (void)state;
    static struct slot_moves moves;
    static const char *const wrong[] = {"moved 1\n",
                                        "leftover\n",
                                        "leftover 1 2\n",
                                        "leftover 20000\n",
                                        "forwarded 1 " ID_B "\n",
                                        "forwarded 1 x h 2\n",
                                        "in-doubt 1 " ID_B " h 70000\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(slot_moves_parse(bytes_from_text(wrong[i]), &moves));
}

static void nodes_that_slots_go_to_are_forgotten_when_none_does(void **state) {
    (void)state;
    static struct slot_moves moves;
    memset(&moves, 0, sizeof(moves));
    for (unsigned i = 0; i < 3 * MOVE_TARGETS_MAX; i++) {
        struct move_target target = {.port = 1};
        (void)snprintf(target.id, sizeof(target.id), "%040u", i);
        assert_true(slot_moves_mark_target(&moves, (struct slot_range){i, i}, SLOT_FORWARDED, &target));
        if (i % 2 == 0)
            slot_moves_mark(&moves, (struct slot_range){i, i}, SLOT_STILL);
        if (i == 2 * MOVE_TARGETS_MAX - 3) // half of them are still there
            break;
    }
    struct move_target one_too_many = {.id = "x"};
    unsigned taken = 0;
    while (slot_moves_mark_target(&moves, (struct slot_range){1000 + taken, 1000 + taken}, SLOT_FORWARDED,
                                  &one_too_many)) {
        taken++;
        (void)snprintf(one_too_many.id, sizeof(one_too_many.id), "y%u", taken);
    }
    assert_int_equal(moves.known_count, MOVE_TARGETS_MAX);
}

// --- Leaving ---

static uint64_t job_of(struct cluster_fixture *fixture) {
    return cluster_migration(fixture->cluster).job;
}

static void a_migration_goes_from_state_to_state(void **state) {
    struct cluster_fixture *fixture = *state;
    struct cluster *cluster = fixture->cluster;
    expect_report(fixture, "");
    assert_true(cluster_migration_begin(cluster, bar, BYTES_LITERAL(ID_B), error));
    assert_true(cluster_migration_makes_sense(cluster));
    expect_answer(fixture, "bar", writer, "served");
    assert_false(cluster_migration_begin(cluster, (struct slot_range){1, 1}, BYTES_LITERAL(ID_B), error));
    assert_string_equal(error, "ERR There is already a migrating job");
    cluster_migration_stop_writes(cluster, job_of(fixture));
    expect_answer(fixture, "bar", reader, "served");
    expect_answer(fixture, "bar", writer, "TRYAGAIN Can't write to slot being migrated");
    assert_true(cluster_migration_hand_over(cluster, job_of(fixture), error));
    expect_answer(fixture, "bar", reader, "served");
    expect_answer(fixture, "bar", writer, "TRYAGAIN");
    expect_report(fixture,
                  "migrating_slot(s): 5061\r\ndestination_node: " ID_B "\r\nmigrating_state: start\r\n");
    assert_true(cluster_migration_end(cluster, job_of(fixture), true));
    expect_answer(fixture, "bar", reader, "MOVED 5061 127.0.0.1:7002");
    expect_report(fixture,
                  "migrating_slot(s): 5061\r\ndestination_node: " ID_B "\r\nmigrating_state: success\r\n");
    assert_true(cluster_set_slots(cluster, &bar, 1, BYTES_LITERAL(ID_B), 2, error));
    expect_report(fixture, "");
    struct slot_range leftover;
    assert_true(cluster_next_leftover(cluster, &leftover));
    assert_int_equal(leftover.first, 5061);
    cluster_leftover_is_gone(cluster, leftover);
    assert_false(cluster_next_leftover(cluster, &leftover));
}

static void a_failed_migration_leaves_nothing_but_its_report(void **state) {
    struct cluster_fixture *fixture = *state;
    assert_true(cluster_migration_begin(fixture->cluster, bar, BYTES_LITERAL(ID_B), error));
    cluster_migration_stop_writes(fixture->cluster, job_of(fixture));
    assert_true(cluster_migration_end(fixture->cluster, job_of(fixture), false));
    expect_answer(fixture, "bar", writer, "served");
    expect_report(fixture,
                  "migrating_slot(s): 5061\r\ndestination_node: " ID_B "\r\nmigrating_state: fail\r\n");
}

static void a_slot_is_not_handed_over_under_another_topology(void **state) {
    struct cluster_fixture *fixture = *state;
    assert_true(cluster_migration_begin(fixture->cluster, bar, BYTES_LITERAL(ID_B), error));
    cluster_migration_stop_writes(fixture->cluster, job_of(fixture));
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 2);
    assert_false(cluster_migration_hand_over(fixture->cluster, job_of(fixture), error));
}

static void a_slot_that_comes_back_with_old_keys_waits_until_they_are_gone(void **state) {
    struct cluster_fixture *fixture = *state;
    struct slot_range leftover;
    assert_true(cluster_migration_begin(fixture->cluster, bar, BYTES_LITERAL(ID_B), error));
    cluster_migration_stop_writes(fixture->cluster, job_of(fixture));
    assert_true(cluster_migration_hand_over(fixture->cluster, job_of(fixture), error));
    assert_true(cluster_migration_end(fixture->cluster, job_of(fixture), true));
    assert_true(cluster_set_slots(fixture->cluster, &bar, 1, BYTES_LITERAL(ID_B), 2, error));
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 3);
    expect_answer(fixture, "bar", reader, "TRYAGAIN");
    assert_true(cluster_next_leftover(fixture->cluster, &leftover));
    cluster_leftover_is_gone(fixture->cluster, leftover);
    expect_answer(fixture, "bar", writer, "served");
}

static void a_restart_in_the_middle_forwards_or_doubts(void **state) {
    struct cluster_fixture *fixture = *state;
    assert_true(cluster_migration_begin(fixture->cluster, bar, BYTES_LITERAL(ID_B), error));
    assert_true(cluster_fixture_reopen(fixture, true));
    expect_answer(fixture, "bar", writer, "served"); // nothing had been handed over
    assert_true(cluster_migration_begin(fixture->cluster, bar, BYTES_LITERAL(ID_B), error));
    cluster_migration_stop_writes(fixture->cluster, job_of(fixture));
    assert_true(cluster_migration_hand_over(fixture->cluster, job_of(fixture), error));
    assert_true(cluster_fixture_reopen(fixture, true));
    expect_answer(fixture, "bar", writer, "TRYAGAIN");
    assert_int_equal(cluster_migration(fixture->cluster).phase, MIGRATION_IN_DOUBT);
    assert_true(cluster_migration_end(fixture->cluster, job_of(fixture), true));
    assert_true(cluster_fixture_reopen(fixture, true));
    expect_answer(fixture, "bar", writer, "MOVED 5061 127.0.0.1:7002");
}

// Its thread may still be waiting for the destination's answer.
static void what_a_topology_has_ended_does_not_touch_the_next_migration(void **state) {
    struct cluster_fixture *fixture = *state;
    struct cluster *cluster = fixture->cluster;
    assert_true(cluster_migration_begin(cluster, bar, BYTES_LITERAL(ID_B), error));
    uint64_t job = job_of(fixture);
    cluster_migration_stop_writes(cluster, job);
    assert_true(cluster_migration_hand_over(cluster, job, error));
    assert_true(cluster_set_slots(cluster, &bar, 1, BYTES_LITERAL(ID_A), 2, error));
    assert_false(cluster_migration_end(cluster, job, true));
    expect_answer(fixture, "bar", writer, "served");
    assert_true(cluster_migration_begin(cluster, bar, BYTES_LITERAL(ID_B), error));
    cluster_migration_stop_writes(cluster, job);
    assert_false(cluster_migration_hand_over(cluster, job, error));
    assert_false(cluster_migration_end(cluster, job, true));
    expect_answer(fixture, "bar", writer, "served");
    assert_int_equal(cluster_migration(cluster).phase, MIGRATION_RUNNING);
}

// --- Coming ---

static bool import(struct cluster_fixture *fixture, int64_t what, uint64_t client, bool *to_be_emptied) {
    return cluster_import(fixture->cluster, foo, what, client, to_be_emptied, error);
}

static void an_import_serves_its_link_and_then_everybody(void **state) {
    struct cluster_fixture *fixture = *state;
    bool to_be_emptied = false;
    assert_true(import(fixture, 0, 7, &to_be_emptied));
    assert_true(to_be_emptied);
    expect_answer(fixture, "foo", (struct asker){.changes = true, .client = 7}, "served");
    expect_answer(fixture, "foo", (struct asker){.client = 8}, "MOVED");
    expect_answer(fixture, "foo", (struct asker){.client = 8, .asks = true}, "served");
    assert_false(import(fixture, 1, 8, &to_be_emptied)); // another link has no say
    assert_true(import(fixture, 1, 7, &to_be_emptied));
    expect_answer(fixture, "foo", writer, "served");
    assert_false(cluster_import_link_ended(fixture->cluster, 7));
    assert_false(import(fixture, 2, 9, &to_be_emptied)); // it is too late to give it up
    assert_true(cluster_fixture_reopen(fixture, true));
    expect_answer(fixture, "foo", writer, "served");
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 2); // a topology that gives it to somebody else
    expect_answer(fixture, "foo", writer, "MOVED");
}

static void an_import_that_fails_leaves_keys_to_be_deleted(void **state) {
    struct cluster_fixture *fixture = *state;
    struct slot_range leftover;
    bool to_be_emptied = false;
    assert_true(import(fixture, 0, 7, &to_be_emptied));
    assert_false(cluster_import_link_ended(fixture->cluster, 8));
    assert_true(cluster_import_link_ended(fixture->cluster, 7));
    assert_true(cluster_next_leftover(fixture->cluster, &leftover));
    assert_int_equal(leftover.first, foo.first);
    assert_false(import(fixture, 1, 7, &to_be_emptied));
    expect_answer(fixture, "foo", (struct asker){.client = 7}, "MOVED");
    assert_true(import(fixture, 0, 9, &to_be_emptied)); // anew: nothing may be deleted behind its back
    assert_false(cluster_next_leftover(fixture->cluster, &leftover));
    assert_true(cluster_fixture_reopen(fixture, true));
    assert_true(cluster_next_leftover(fixture->cluster, &leftover));
}

// While a directory has its temporary file's name, slots.conf cannot be written.
static void obstruct(const struct cluster_fixture *fixture, bool obstructed) {
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/slots.conf.tmp", fixture->directory);
    assert_int_equal(obstructed ? mkdir(path, 0700) : rmdir(path), 0);
}

static void a_take_over_that_cannot_be_saved_has_not_happened(void **state) {
    struct cluster_fixture *fixture = *state;
    bool to_be_emptied = false;
    assert_true(import(fixture, 0, 7, &to_be_emptied));
    obstruct(fixture, true);
    assert_false(import(fixture, 1, 7, &to_be_emptied));
    expect_answer(fixture, "foo", writer, "MOVED");
    expect_answer(fixture, "foo", (struct asker){.changes = true, .client = 7}, "served");
    obstruct(fixture, false);
    assert_true(import(fixture, 1, 7, &to_be_emptied));
    expect_answer(fixture, "foo", writer, "served");
}

static void an_import_that_cannot_be_saved_is_in_nobodys_way(void **state) {
    struct cluster_fixture *fixture = *state;
    const struct slot_range other = {9000, 9000};
    bool to_be_emptied = false;
    obstruct(fixture, true);
    assert_false(import(fixture, 0, 7, &to_be_emptied));
    obstruct(fixture, false);
    assert_true(cluster_import(fixture->cluster, other, 0, 8, &to_be_emptied, error));
}

static void what_was_imported_is_known_whatever_was_imported_since(void **state) {
    struct cluster_fixture *fixture = *state;
    const struct slot_range other = {foo.last + 1, foo.last + 1};
    bool to_be_emptied = false;
    assert_true(import(fixture, 0, 7, &to_be_emptied));
    assert_true(import(fixture, 1, 7, &to_be_emptied));
    assert_true(cluster_import(fixture->cluster, other, 0, 8, &to_be_emptied, error));
    assert_false(import(fixture, 2, 9, &to_be_emptied));
    assert_non_null(strstr(error, CLUSTER_HAS_IMPORTED));
    assert_true(cluster_import(fixture->cluster, other, 1, 8, &to_be_emptied, error));
    assert_true(cluster_fixture_reopen(fixture, true)); // saved as one range
    assert_false(import(fixture, 2, 9, &to_be_emptied));
    assert_non_null(strstr(error, CLUSTER_HAS_IMPORTED));
    cluster_fixture_set(fixture, ID_A, ID_A " 127.0.0.1 7001 master - 0-16383\n", 3);
    assert_false(import(fixture, 2, 9, &to_be_emptied));
    assert_non_null(strstr(error, CLUSTER_OWNS_IMPORTED));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_read_strictly),
        cmocka_unit_test(what_outlives_a_restart_is_written_and_read_back),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(nodes_that_slots_go_to_are_forgotten_when_none_does),
        CASE(a_migration_goes_from_state_to_state),
        CASE(a_failed_migration_leaves_nothing_but_its_report),
        CASE(a_slot_is_not_handed_over_under_another_topology),
        CASE(a_slot_that_comes_back_with_old_keys_waits_until_they_are_gone),
        CASE(a_restart_in_the_middle_forwards_or_doubts),
        CASE(what_a_topology_has_ended_does_not_touch_the_next_migration),
        CASE(an_import_serves_its_link_and_then_everybody),
        CASE(an_import_that_fails_leaves_keys_to_be_deleted),
        CASE(a_take_over_that_cannot_be_saved_has_not_happened),
        CASE(an_import_that_cannot_be_saved_is_in_nobodys_way),
        CASE(what_was_imported_is_known_whatever_was_imported_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
