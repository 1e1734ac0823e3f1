// SPDX-License-Identifier: Apache-2.0
//
// A store in a directory of its own, for the tests of store/. Include after cmocka.h.
#ifndef KVFENCE_TESTS_UNIT_STORE_FIXTURE_H
#define KVFENCE_TESTS_UNIT_STORE_FIXTURE_H

#include "store/session.h"

struct store_fixture {
    char directory[64];
    struct store *store;
    struct store_session *sessions[2];
};

// A check function whose answer the test sets: per gate, NULL passes.
struct check_double {
    const char *answers[3];
    int asked[3];
};
const char *check_double_ask(void *context, enum store_gate gate, uint64_t writes);

// Makes a new directory. `check` may be NULL.
void store_fixture_open(struct store_fixture *fixture, struct check_double *check);
// Opens the store of an existing directory again.
void store_fixture_reopen(struct store_fixture *fixture, struct check_double *check);
// The same with any check function.
void store_fixture_reopen_with(struct store_fixture *fixture, store_check_function *check, void *context);
void store_fixture_shut(struct store_fixture *fixture);  // closes, keeps the directory
void store_fixture_close(struct store_fixture *fixture); // closes and removes everything

// The setup and teardown of a test with a store of its own and no check; the fixture is the test's state.
int store_fixture_set_up(void **state);
int store_fixture_tear_down(void **state);

// One whole SET through a session: lock, stage, commit, unlock.
enum store_status store_fixture_set(struct store_session *session, const char *key, const char *value);
// True if the session reads exactly this value (NULL: that there is none).
bool store_fixture_has(struct store_session *session, const char *key, const char *value);

#endif
