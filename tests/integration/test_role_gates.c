// SPDX-License-Identifier: Apache-2.0
//
// A node whose role changes at the worst moments: between a command's two checks, and between its commit and
// the round's end. The node's answers are the test's own, so each moment is hit exactly.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "inner_server.h"
#include "lease/lease.h"
#include "store/session.h"

#include <stdatomic.h>
#include <stdio.h>

// Becomes a replica, or loses its slots, after it has been asked so many times. Or only its lease does, as if
// the role changed right after the answer.
struct node_double {
    atomic_int asked_role, asked_slots;
    atomic_int master_for, serves_for; // -1: for ever
    atomic_int lease_for;
    struct lease *lease;
};

static bool in_cluster(void *context) {
    (void)context;
    return true;
}

static bool is_this_master(void *context, struct bytes id) {
    (void)context;
    (void)id;
    return false;
}

static bool runs_out(atomic_int *asked, atomic_int *allowed) {
    int before = atomic_fetch_add(asked, 1);
    int limit = atomic_load(allowed);
    return limit >= 0 && before >= limit;
}

static bool is_replica(void *context) {
    struct node_double *node = context;
    if (atomic_load(&node->asked_role) + 1 == atomic_load(&node->lease_for))
        lease_become_replica(node->lease);
    return runs_out(&node->asked_role, &node->master_for);
}

static bool serves(void *context, const struct node_request *request, char error[NODE_ERROR_SIZE]) {
    struct node_double *node = context;
    (void)request;
    if (!runs_out(&node->asked_slots, &node->serves_for))
        return true;
    (void)snprintf(error, NODE_ERROR_SIZE, "MOVED 12182 127.0.0.1:7002");
    return false;
}

static void take_lease(void *context, struct lease *lease) {
    struct node_double *node = context;
    node->lease = lease;
}

struct scene {
    struct inner_server inner;
    struct node_double node;
    redisContext *client;
};

static int open_scene(void **state) {
    static struct scene scene;
    scene = (struct scene){.node = {.master_for = -1, .serves_for = -1}};
    const struct node_view view = {.in_cluster = in_cluster,
                                   .is_this_master = is_this_master,
                                   .is_replica = is_replica,
                                   .serves = serves,
                                   .take_lease = take_lease,
                                   .context = &scene.node};
    inner_server_open_node(&scene.inner, 1, &view);
    scene.client = server_connect(&scene.inner.address);
    *state = &scene;
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    redisFree(scene->client);
    inner_server_discard(&scene->inner);
    return 0;
}

// From now on: a master for so many questions, and its slots its own for so many. Nothing runs meanwhile.
static void change_after(struct scene *scene, int role_questions, int slot_questions) {
    atomic_store(&scene->node.asked_role, 0);
    atomic_store(&scene->node.asked_slots, 0);
    atomic_store(&scene->node.master_for, role_questions);
    atomic_store(&scene->node.serves_for, slot_questions);
}

static void expect_stored(struct scene *scene, const char *value) {
    change_after(scene, -1, -1);
    if (value == NULL)
        expect_null(scene->client, "GET foo");
    else
        expect_text(scene->client, value, "GET foo");
}

static void a_write_that_was_admitted_is_refused_if_the_node_has_become_a_replica(void **state) {
    struct scene *scene = *state;
    change_after(scene, 1, -1);
    expect_error(scene->client, "READONLY You can't write against a read only replica.", "SET foo 1");
    expect_stored(scene, NULL);
}

static void a_write_that_was_admitted_is_redirected_if_its_slot_has_moved(void **state) {
    struct scene *scene = *state;
    change_after(scene, -1, 1);
    expect_error(scene->client, "MOVED 12182 127.0.0.1:7002", "SET foo 1");
    expect_stored(scene, NULL);
}

static void a_transaction_that_was_queued_is_refused_by_a_replica_as_a_whole(void **state) {
    struct scene *scene = *state;
    expect_text(scene->client, "OK", "MULTI");
    expect_text(scene->client, "QUEUED", "SET foo 1");
    expect_text(scene->client, "QUEUED", "GET foo");
    change_after(scene, 0, -1);
    expect_error(
        scene->client,
        "EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica.",
        "EXEC");
    expect_error(scene->client, "ERR EXEC without MULTI", "EXEC");
    expect_stored(scene, NULL);
}

static void a_transaction_that_was_queued_is_redirected_if_one_of_its_slots_has_moved(void **state) {
    struct scene *scene = *state;
    expect_text(scene->client, "OK", "MULTI");
    expect_text(scene->client, "QUEUED", "SET foo 1");
    expect_text(scene->client, "QUEUED", "SET foo 2");
    change_after(scene, -1, 1); // the first is still served
    expect_error(scene->client, "MOVED 12182 127.0.0.1:7002", "EXEC");
    expect_stored(scene, NULL);
}

static void a_transaction_that_only_reads_runs_on_a_replica(void **state) {
    struct scene *scene = *state;
    expect_text(scene->client, "OK", "MULTI");
    expect_text(scene->client, "QUEUED", "GET foo");
    change_after(scene, 0, -1);
    freeReplyObject(command(scene->client, "EXEC"));
    expect_stored(scene, NULL);
}

// Asked the second time inside the guard. Nobody takes the guard here, so the write gets between the two
// gates.
static void become_a_replica_before_the_second_gate(struct scene *scene) {
    change_after(scene, -1, -1);
    atomic_store(&scene->node.lease_for, 2);
}

// The lease may have ended between commit and settle, and a replica's lease does not tell.
static void a_write_is_not_acknowledged_by_a_fenced_node_that_has_become_a_replica(void **state) {
    struct scene *scene = *state;
    expect_text(scene->client, "OK", "CONFIG SET master-lease-mode block-write");
    redisContext *writer = server_connect(&scene->inner.address);
    become_a_replica_before_the_second_gate(scene);
    assert_null(redisCommand(writer, "SET foo 1"));
    assert_int_equal(writer->err, REDIS_ERR_EOF);
    redisFree(writer);
    expect_stored(scene, "1");
}

static void without_the_fence_a_write_that_was_stored_is_acknowledged_by_a_new_replica(void **state) {
    struct scene *scene = *state;
    become_a_replica_before_the_second_gate(scene);
    expect_text(scene->client, "OK", "SET foo 1");
    expect_stored(scene, "1");
}

// Right after a write has become visible: the node is a replica, a master again, and has a new lease.
static void go_there_and_back(void *context, struct bytes batch) {
    const struct node_double *node = context;
    const struct lease_heartbeat heartbeat = {
        .form = LEASE_FORM_SHORT, .lease_ms = 60000, .version = 2, .arrived = clock_boot()};
    struct lease_answer answer;
    (void)batch;
    lease_become_replica(node->lease);
    lease_become_master(node->lease);
    lease_heartbeat(node->lease, &heartbeat, &answer);
    assert_string_equal(answer.error, "");
}

static void watch_commits(struct scene *scene, store_observer_function *observer) {
    struct store_session *session = scene->inner.server->background_session;
    session_write_begin_exclusive(session);
    store_observe(scene->inner.server->store, observer, &scene->node);
    session_write_end(session);
}

// As a replica it may have thrown the write away.
static void a_write_is_not_acknowledged_by_a_node_that_was_a_replica_meanwhile(void **state) {
    struct scene *scene = *state;
    expect_text(scene->client, "OK", "CONFIG SET master-lease-mode block-write");
    freeReplyObject(command(scene->client, "CLUSTERX HEARTBEAT 1 60000"));
    redisContext *writer = server_connect(&scene->inner.address);
    expect_text(writer, "OK", "SET foo before");
    watch_commits(scene, go_there_and_back);
    assert_null(redisCommand(writer, "SET foo 1"));
    assert_int_equal(writer->err, REDIS_ERR_EOF);
    watch_commits(scene, NULL);
    redisFree(writer);
    expect_stored(scene, "1");
    expect_text(scene->client, "OK", "SET foo 2"); // the new lease holds for what comes after it
}

static void without_the_fence_a_change_of_role_and_back_is_nothing_to_a_write(void **state) {
    struct scene *scene = *state;
    watch_commits(scene, go_there_and_back);
    expect_text(scene->client, "OK", "SET foo 1");
    watch_commits(scene, NULL);
}

static void a_refused_write_does_not_keep_the_guard(void **state) {
    struct scene *scene = *state;
    for (int i = 0; i < 100; i++) {
        change_after(scene, 1, -1);
        expect_error(scene->client, "READONLY", "SET foo 1");
        change_after(scene, -1, 1);
        expect_error(scene->client, "MOVED", "SET foo 1");
    }
    change_after(scene, -1, -1);
    expect_text(scene->client, "OK", "FLUSHALL"); // takes it exclusively
    expect_text(scene->client, "OK", "SET foo 2");
    expect_stored(scene, "2");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_write_that_was_admitted_is_refused_if_the_node_has_become_a_replica),
        CASE(a_write_that_was_admitted_is_redirected_if_its_slot_has_moved),
        CASE(a_transaction_that_was_queued_is_refused_by_a_replica_as_a_whole),
        CASE(a_transaction_that_was_queued_is_redirected_if_one_of_its_slots_has_moved),
        CASE(a_transaction_that_only_reads_runs_on_a_replica),
        CASE(a_write_is_not_acknowledged_by_a_fenced_node_that_has_become_a_replica),
        CASE(without_the_fence_a_write_that_was_stored_is_acknowledged_by_a_new_replica),
        CASE(a_write_is_not_acknowledged_by_a_node_that_was_a_replica_meanwhile),
        CASE(without_the_fence_a_change_of_role_and_back_is_nothing_to_a_write),
        CASE(a_refused_write_does_not_keep_the_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
