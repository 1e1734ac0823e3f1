// SPDX-License-Identifier: Apache-2.0
//
// A store in a directory of its own. Uses: store/session, cmocka.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *check_double_ask(void *context, enum store_gate gate, uint64_t writes) {
    (void)writes;
    struct check_double *check = context;
    check->asked[gate]++;
    return check->answers[gate];
}

void store_fixture_reopen_with(struct store_fixture *fixture, store_check_function *check, void *context) {
    struct store_config config = {
        .directory = fixture->directory,
        .layout = {.name_space = DEFAULT_NAMESPACE},
        .tuning = store_tuning_default(),
        .sessions = 2,
        .read_cache_bytes = 1 << 20,
        .zset_ranks_bytes = 1 << 20,
        .check = check,
        .check_context = context,
    };
    char error[STORE_ERROR_SIZE];
    if (!store_open(&config, &fixture->store, error))
        fail_msg("%s", error);
    fixture->sessions[0] = session_open(fixture->store, 0);
    fixture->sessions[1] = session_open(fixture->store, 1);
}

void store_fixture_open(struct store_fixture *fixture, struct check_double *check) {
    (void)snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/kvfence-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    store_fixture_reopen(fixture, check);
}

void store_fixture_reopen(struct store_fixture *fixture, struct check_double *check) {
    store_fixture_reopen_with(fixture, check == NULL ? NULL : check_double_ask, check);
}

void store_fixture_shut(struct store_fixture *fixture) {
    session_close(fixture->sessions[0]);
    session_close(fixture->sessions[1]);
    store_close(fixture->store);
    fixture->store = NULL;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void store_fixture_close(struct store_fixture *fixture) {
    if (fixture->store != NULL)
        store_fixture_shut(fixture);
    assert_int_equal(nftw(fixture->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int store_fixture_set_up(void **state) {
    static struct store_fixture fixture;
    store_fixture_open(&fixture, NULL);
    *state = &fixture;
    return 0;
}

int store_fixture_tear_down(void **state) {
    store_fixture_close(*state);
    return 0;
}

enum store_status store_fixture_set(struct store_session *session, const char *key, const char *value) {
    struct bytes name = bytes_from_text(key);
    struct bytes part = bytes_from_text(value);
    session_write_begin(session, &name, 1);
    stage_string(session, name, 0, &part, 1);
    enum store_status status = store_commit(session);
    session_write_end(session);
    return status;
}

bool store_fixture_has(struct store_session *session, const char *key, const char *value) {
    struct store_value found;
    enum store_status status = store_read(session, bytes_from_text(key), 0, &found);
    if (status == STORE_NOT_FOUND)
        return value == NULL;
    assert_int_equal(status, STORE_OK);
    bool equal = value != NULL && bytes_equal(found.payload, bytes_from_text(value));
    store_value_release(&found);
    return equal;
}
