// SPDX-License-Identifier: Apache-2.0
//
// The role with a real lease and a clock that the test sets: what each change of role makes of both.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replication/role.h"

#include "base/log.h"
#include "lease/lease.h"
#include "store/role_guard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct place {
    char directory[64];
    boot_ns_t now;
    struct lease *lease;
    struct role *role;
};

static const struct role_master master_a = {.host = "10.0.0.1", .port = 6666};
static const struct role_master master_b = {.host = "10.0.0.1", .port = 6667};

static boot_ns_t now_of(void *context) {
    const struct place *place = context;
    return place->now;
}

static void open_as(struct place *place, const struct role_master *master) {
    char error[LEASE_ERROR_SIZE];
    const struct lease_config config = {.directory = place->directory,
                                        .mode = LEASE_BLOCK_WRITE,
                                        .is_replica = master != NULL,
                                        .now = now_of,
                                        .now_context = place};
    if (!lease_open(&config, &place->lease, error))
        fail_msg("%s", error);
    place->role = role_open(master);
    role_set_lease(place->role, place->lease);
}

static void shut(struct place *place) {
    role_close(place->role);
    lease_close(place->lease);
}

static int open_place(void **state) {
    static struct place place;
    log_set_level(LOG_FATAL);
    place = (struct place){.directory = "/tmp/kvfence-role-XXXXXX", .now = {1000000000000}};
    assert_non_null(mkdtemp(place.directory));
    open_as(&place, NULL);
    *state = &place;
    return 0;
}

static int close_place(void **state) {
    struct place *place = *state;
    char path[128];
    shut(place);
    (void)snprintf(path, sizeof(path), "%s/lease.state", place->directory);
    (void)unlink(path);
    return rmdir(place->directory);
}

// A lease of ten seconds under this version.
static enum lease_outcome heartbeat(struct place *place, uint64_t version) {
    const struct lease_heartbeat beat = {
        .form = LEASE_FORM_SHORT, .lease_ms = 10000, .version = version, .arrived = place->now};
    struct lease_answer answer;
    lease_heartbeat(place->lease, &beat, &answer);
    return answer.outcome;
}

static bool writes_pass(struct place *place) {
    return !role_is_replica(place->role) && lease_check_commit(place->lease, 1) == NULL;
}

static void a_node_starts_as_what_it_is_opened_as(void **state) {
    struct place *place = *state;
    assert_false(role_is_replica(place->role));
    shut(place);
    open_as(place, &master_a);
    struct role_view view = role_view(place->role);
    assert_true(view.is_replica);
    assert_string_equal(view.master.host, "10.0.0.1");
    assert_int_equal(view.master.port, 6666);
}

static void becoming_a_replica_takes_the_lease_and_keeps_the_highest_version(void **state) {
    struct place *place = *state;
    assert_int_equal(heartbeat(place, 7), LEASE_RENEWED);
    assert_true(role_become_replica(place->role, &master_a));
    struct lease_view view = lease_view(place->lease);
    assert_int_equal(view.deadline.value, 0);
    assert_int_equal(view.election_version, 0);
    assert_int_equal(view.highest_version, 7);
    assert_true(view.is_replica);
    assert_int_equal(heartbeat(place, 8), LEASE_NOT_MASTER);
}

static void a_master_that_ever_had_a_lease_comes_back_fenced_until_a_heartbeat(void **state) {
    struct place *place = *state;
    assert_int_equal(heartbeat(place, 7), LEASE_RENEWED);
    assert_true(role_become_replica(place->role, &master_a));
    assert_true(role_become_master(place->role));
    assert_int_equal(lease_view(place->lease).status, LEASE_EXPIRED);
    assert_false(writes_pass(place));
    assert_int_equal(heartbeat(place, 6), LEASE_STALE_VERSION);
    assert_false(writes_pass(place));
    assert_int_equal(heartbeat(place, 7), LEASE_RENEWED);
    assert_true(writes_pass(place));
}

static void a_master_that_never_had_a_lease_comes_back_free(void **state) {
    struct place *place = *state;
    assert_true(role_become_replica(place->role, &master_a));
    assert_false(writes_pass(place));
    assert_true(role_become_master(place->role));
    assert_true(writes_pass(place));
}

static void another_master_is_a_change_that_leaves_the_lease_alone(void **state) {
    struct place *place = *state;
    assert_true(role_become_replica(place->role, &master_a));
    assert_true(role_become_replica(place->role, &master_b));
    assert_int_equal(role_view(place->role).master.port, 6667);
    assert_true(lease_view(place->lease).is_replica);
}

static void becoming_what_it_is_already_changes_nothing(void **state) {
    struct place *place = *state;
    assert_int_equal(heartbeat(place, 7), LEASE_RENEWED);
    assert_false(role_become_master(place->role));
    assert_int_equal(lease_view(place->lease).status, LEASE_HELD); // not reset: every SETNODES comes here
    assert_true(role_become_replica(place->role, &master_a));
    assert_false(role_become_replica(place->role, &master_a));
}

static void a_lease_that_is_given_up_fences_a_master_until_a_heartbeat(void **state) {
    struct place *place = *state;
    role_give_up_lease(place->role);
    assert_true(writes_pass(place)); // there never was one
    assert_int_equal(heartbeat(place, 7), LEASE_RENEWED);
    role_give_up_lease(place->role);
    assert_false(role_is_replica(place->role));
    assert_int_equal(lease_view(place->lease).election_version, 0);
    assert_false(writes_pass(place));
    assert_int_equal(heartbeat(place, 7), LEASE_RENEWED);
    assert_true(writes_pass(place));
    assert_true(role_become_replica(place->role, &master_a));
    role_give_up_lease(place->role);
    assert_true(lease_view(place->lease).is_replica);
}

static void a_new_master_has_no_old_master(void **state) {
    struct place *place = *state;
    assert_true(role_become_replica(place->role, &master_a));
    assert_true(role_become_master(place->role));
    assert_string_equal(role_view(place->role).master.host, "");
    assert_true(role_become_replica(place->role, &master_a));
}

static void a_replica_that_restarts_and_is_promoted_is_fenced_if_it_ever_had_a_lease(void **state) {
    struct place *place = *state;
    assert_int_equal(heartbeat(place, 7), LEASE_RENEWED);
    shut(place);
    open_as(place, &master_a);
    assert_false(writes_pass(place));
    assert_true(role_become_master(place->role));
    assert_false(writes_pass(place));
    assert_int_equal(heartbeat(place, 7), LEASE_RENEWED);
    assert_true(writes_pass(place));
}

static void a_role_works_without_a_lease(void **state) {
    (void)state;
    struct role *role = role_open(NULL);
    assert_true(role_become_replica(role, &master_a));
    assert_true(role_is_replica(role));
    assert_true(role_become_master(role));
    role_close(role);
}

static void a_host_that_is_too_long_is_no_master(void **state) {
    (void)state;
    struct role_master master;
    char host[ROLE_HOST_MAX + 1];
    memset(host, 'h', sizeof(host));
    assert_false(role_master_set(&master, host, sizeof(host), 1));
    assert_true(role_master_set(&master, host, ROLE_HOST_MAX, 1));
    assert_int_equal(strlen(master.host), ROLE_HOST_MAX);
}

struct observer {
    struct place *place;
    struct role_guard *guard; // NULL: settling takes none
    atomic_bool stop;
    atomic_int looked;
    atomic_bool let_a_write_pass, torn;
};

// As a writer does: inside the guard. While the role changes and no heartbeat comes, role and lease never
// both let a write pass.
static void *observe(void *argument) {
    struct observer *observer = argument;
    while (!atomic_load(&observer->stop)) {
        role_guard_enter(observer->guard, 0);
        if (writes_pass(observer->place))
            atomic_store(&observer->let_a_write_pass, true);
        role_guard_leave(observer->guard, 0);
        struct role_view view = role_view(observer->place->role);
        if (view.is_replica != (view.master.port != 0))
            atomic_store(&observer->torn, true);
        atomic_fetch_add(&observer->looked, 1);
    }
    return NULL;
}

static void no_write_slips_through_between_role_and_lease(void **state) {
    struct place *place = *state;
    struct observer observer = {.place = place, .guard = role_guard_open(1)};
    pthread_t thread;
    assert_int_equal(heartbeat(place, 7), LEASE_RENEWED);
    place->now.value += UINT64_C(20000000000); // the lease is over
    assert_false(writes_pass(place));
    assert_int_equal(pthread_create(&thread, NULL, observe, &observer), 0);
    for (int i = 0; i < 2000 || atomic_load(&observer.looked) < 2000; i++) {
        role_guard_take(observer.guard);
        (void)(i % 2 == 0 ? role_become_replica(place->role, &master_a) : role_become_master(place->role));
        role_guard_release(observer.guard);
    }
    atomic_store(&observer.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    role_guard_close(observer.guard);
    assert_false(observer.torn);
    assert_false(observer.let_a_write_pass);
}

// As a worker does at the end of a round in which it wrote while the node still had its lease.
static void *settle(void *argument) {
    struct observer *observer = argument;
    while (!atomic_load(&observer->stop)) {
        if (lease_check_settle(observer->place->lease) == NULL)
            atomic_store(&observer->let_a_write_pass, true);
        atomic_fetch_add(&observer->looked, 1);
    }
    return NULL;
}

static void change_role(struct role *role, int turn) {
    switch (turn % 4) {
    case 0:
        (void)role_become_replica(role, &master_a);
        break;
    case 1:
        (void)role_become_master(role);
        break;
    default:
        role_give_up_lease(role);
    }
}

static void no_write_is_acknowledged_between_role_and_lease(void **state) {
    struct place *place = *state;
    struct observer observer = {.place = place};
    pthread_t thread;
    assert_int_equal(heartbeat(place, 7), LEASE_RENEWED);
    place->now.value += UINT64_C(20000000000); // the lease is over
    assert_int_equal(pthread_create(&thread, NULL, settle, &observer), 0);
    for (int i = 0; i < 2000 || atomic_load(&observer.looked) < 100000; i++)
        change_role(place->role, i);
    atomic_store(&observer.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(observer.let_a_write_pass);
}

// A heartbeat that has just been found to be for this node when the node gets another id.
struct renaming {
    struct place *place;
    pthread_t thread;
    atomic_bool is_done;
};

static void *give_up(void *argument) {
    struct renaming *renaming = argument;
    role_give_up_lease(renaming->place->role);
    atomic_store(&renaming->is_done, true);
    return NULL;
}

// Gives the other thread the time that it would need if nothing held it back.
static bool is_its_id(void *context) {
    struct renaming *renaming = context;
    const struct timespec pause = {.tv_nsec = 1000000};
    assert_int_equal(pthread_create(&renaming->thread, NULL, give_up, renaming), 0);
    for (int i = 0; i < 300 && !atomic_load(&renaming->is_done); i++)
        (void)nanosleep(&pause, NULL);
    return true;
}

static void a_heartbeat_for_the_id_before_renews_nothing_after_the_lease_was_given_up(void **state) {
    struct place *place = *state;
    struct renaming renaming = {.place = place};
    struct lease_answer answer;
    assert_int_equal(heartbeat(place, 7), LEASE_RENEWED);
    const struct lease_heartbeat beat = {.form = LEASE_FORM_NODE,
                                         .cluster_enabled = true,
                                         .is_for_this_node = is_its_id,
                                         .context = &renaming,
                                         .lease_ms = 10000,
                                         .version = 7,
                                         .arrived = place->now};
    lease_heartbeat(place->lease, &beat, &answer);
    assert_int_equal(pthread_join(renaming.thread, NULL), 0);
    assert_false(writes_pass(place));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_place, close_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_node_starts_as_what_it_is_opened_as),
        CASE(becoming_a_replica_takes_the_lease_and_keeps_the_highest_version),
        CASE(a_master_that_ever_had_a_lease_comes_back_fenced_until_a_heartbeat),
        CASE(a_master_that_never_had_a_lease_comes_back_free),
        CASE(another_master_is_a_change_that_leaves_the_lease_alone),
        CASE(becoming_what_it_is_already_changes_nothing),
        CASE(a_lease_that_is_given_up_fences_a_master_until_a_heartbeat),
        CASE(a_new_master_has_no_old_master),
        CASE(a_replica_that_restarts_and_is_promoted_is_fenced_if_it_ever_had_a_lease),
        CASE(a_role_works_without_a_lease),
        CASE(a_host_that_is_too_long_is_no_master),
        CASE(no_write_slips_through_between_role_and_lease),
        CASE(no_write_is_acknowledged_between_role_and_lease),
        CASE(a_heartbeat_for_the_id_before_renews_nothing_after_the_lease_was_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
