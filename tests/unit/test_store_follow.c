// SPDX-License-Identifier: Apache-2.0
//
// What a replica reclaims of the collections that have expired: by what it knows of its master's changes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/log.h"

#include <stdlib.h>

enum { EXPIRES_AT = 1000 }; // long ago

static void put_expired_hash(struct store_session *session) {
    const struct metadata metadata = {
        .type = VALUE_HASH, .wide = true, .version = 5, .size = 1, .expire_ms = EXPIRES_AT};
    struct bytes key = BYTES_LITERAL("hash");
    session_write_begin(session, &key, 1);
    stage_entry(session, key, &metadata, (struct bytes){.data = "", .length = 0});
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    assert_int_equal(store_settle(session), SETTLED);
}

// Whether its entry is still there, as it was before its time was over.
static bool has_hash(struct store_session *session) {
    struct store_value value;
    session_snapshot_begin(session); // else it may be remembered
    enum store_status status = store_read(session, BYTES_LITERAL("hash"), EXPIRES_AT - 1, &value);
    session_snapshot_end(session);
    assert_true(status == STORE_OK || status == STORE_NOT_FOUND);
    if (status == STORE_OK)
        store_value_release(&value);
    return status == STORE_OK;
}

static void compact(struct store *store) {
    char *error = store_compact(store, NULL, NULL);
    if (error != NULL)
        fail_msg("%s", error);
}

static void a_replica_that_is_level_reclaims_what_has_expired(void **state) {
    struct store_fixture *fixture = *state;
    put_expired_hash(fixture->sessions[0]);
    store_follow(fixture->store, 0);
    compact(fixture->store);
    assert_true(has_hash(fixture->sessions[0]));
    store_follow(fixture->store, clock_wall_ms());
    compact(fixture->store);
    assert_false(has_hash(fixture->sessions[0]));
}

// Copies are made some time before they are whole here, and lack the changes since.
static void a_copy_of_the_master_is_older_than_what_the_replica_was_level_with(void **state) {
    struct store_fixture *fixture = *state;
    struct store_fixture copy = {0};
    char error[STORE_ERROR_SIZE];
    store_fixture_open(&copy, NULL);
    put_expired_hash(copy.sessions[0]);
    store_fixture_shut(&copy);
    store_follow(fixture->store, clock_wall_ms());
    if (!store_replace(fixture->store, copy.directory, error))
        fail_msg("%s", error);
    compact(fixture->store);
    assert_true(has_hash(fixture->sessions[0]));
    store_fixture_close(&copy); // with the database that was replaced
}

static int set_up(void **state) {
    static struct store_fixture fixture;
    store_fixture_open(&fixture, NULL);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    store_fixture_close(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        IN_STORE(a_replica_that_is_level_reclaims_what_has_expired),
        IN_STORE(a_copy_of_the_master_is_older_than_what_the_replica_was_level_with),
    };
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
