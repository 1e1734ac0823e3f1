// SPDX-License-Identifier: Apache-2.0
//
// Master and replica, by SLAVEOF and by the cluster's topology: who refuses what, what is said of it, what
// becomes of the lease, and that no write slips through while the role changes under load.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_client.h"
#include "lease_client.h"
#include "server_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FENCED     "master-lease-mode block-write\n"
#define IN_CLUSTER "cluster-enabled yes\n" FENCED
#define READ_ONLY  "READONLY You can't write against a read only replica."

// --- SLAVEOF ---

static void a_replica_refuses_every_write_and_answers_everything_else(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_text(client, "OK", "SET key 1");
    expect_text(client, "OK", "SLAVEOF 10.0.0.1 6666");
    expect_error(client, READ_ONLY, "SET key 2");
    expect_error(client, READ_ONLY, "DEL missing");
    expect_error(client, READ_ONLY, "FLUSHALL");
    expect_error(client, READ_ONLY, "GETEX key");
    expect_text(client, "1", "GET key");
    expect_text(client, "OK", "MULTI");
    expect_error(client, READ_ONLY, "INCR key");
    expect_error(client, "EXECABORT", "EXEC");
    expect_text(client, "OK", "REPLICAOF no ONE");
    expect_integer(client, 2, "INCR key");
}

static void expect_info(redisContext *client, const char *words) {
    redisReply *reply = command(client, "INFO replication");
    if (strstr(reply->str, words) == NULL)
        fail_msg("INFO replication says '%s' and not '%s'", reply->str, words);
    freeReplyObject(reply);
}

static void info_role_and_hello_say_what_the_node_is(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_info(client, "# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_repl_offset:");
    expect_text(client, "OK", "SET key 1");
    long long sequence = server_info_number(client, "replication", "master_repl_offset");
    expect_text(client, "OK", "SLAVEOF some.host 6666");
    expect_info(client, "# Replication\r\nrole:slave\r\nmaster_host:some.host\r\nmaster_port:6666\r\n"
                        "master_link_status:down\r\nmaster_sync_unrecoverable_error:no\r\n"
                        "master_sync_in_progress:0\r\nmaster_last_io_seconds_ago:-1\r\n");
    assert_int_equal(server_info_number(client, "replication", "slave_repl_offset"), sequence);
    assert_int_equal(server_info_number(client, "replication", "master_repl_offset"), sequence);
    redisReply *role = command(client, "ROLE");
    assert_int_equal(role->elements, 5);
    assert_string_equal(role->element[0]->str, "slave");
    assert_string_equal(role->element[1]->str, "some.host");
    assert_string_equal(role->element[2]->str, "6666"); // numbers are texts here, as in Kvrocks
    assert_string_equal(role->element[3]->str, "connecting");
    assert_int_equal(strtoll(role->element[4]->str, NULL, 10), sequence);
    freeReplyObject(role);
    redisReply *hello = command(client, "HELLO");
    assert_string_equal(hello->element[11]->str, "slave");
    freeReplyObject(hello);
}

static void a_master_must_be_somebody_else_at_a_port(void **state) {
    const struct own_server *own = *state;
    redisContext *client = own->client;
    expect_error(client, "ERR port should be number", "SLAVEOF host port");
    expect_error(client, "ERR port is out of range", "SLAVEOF host 65536");
    expect_error(client, "ERR port is out of range", "SLAVEOF host 0");
    expect_error(client, "ERR invalid host name", "SLAVEOF %s 6666", "two words");
    expect_error(client, "ERR invalid host name", "SLAVEOF %s 6666", "");
    expect_error(client, "ERR can't replicate itself", "SLAVEOF 127.0.0.1 %d", own->server.port);
    expect_error(client, "ERR can't replicate itself", "SLAVEOF localhost %d", own->server.port);
    expect_error(client, "ERR wrong number of arguments", "SLAVEOF host");
    expect_text(client, "OK", "MULTI");
    expect_error(client, "ERR SLAVEOF is not allowed in transactions", "SLAVEOF host 6666");
    expect_text(client, "OK", "DISCARD");
    expect_info(client, "role:master");
}

static void in_a_cluster_only_the_topology_decides(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_error(client, "ERR can't change to slave in cluster mode", "SLAVEOF host 6666");
    expect_error(client, "ERR can't change to slave in cluster mode", "REPLICAOF NO ONE");
}

static void without_a_log_of_writes_there_is_nothing_to_copy(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_error(client, "ERR slaveof doesn't work with disable_wal option", "SLAVEOF host 6666");
}

static void the_configuration_tells_and_keeps_the_role(void **state) {
    struct own_server *own = *state;
    expect_text(own->client, "OK", "SLAVEOF 10.0.0.1 6666");
    redisReply *reply = command(own->client, "CONFIG GET slaveof");
    assert_string_equal(reply->element[1]->str, "10.0.0.1 6666");
    freeReplyObject(reply);
    own_server_restart(own); // nothing has written it down
    expect_info(own->client, "role:master");
    expect_text(own->client, "OK", "SLAVEOF 10.0.0.1 6666");
    expect_text(own->client, "OK", "CONFIG REWRITE");
    own_server_restart(own);
    expect_info(own->client, "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6666\r\n");
    expect_error(own->client, READ_ONLY, "SET key 1");
    expect_text(own->client, "OK", "SLAVEOF NO ONE");
    expect_text(own->client, "OK", "CONFIG REWRITE");
    own_server_restart(own);
    expect_text(own->client, "OK", "SET key 1");
}

// --- The lease ---

static void expect_lease(redisContext *client, const char *lease_state, long long election,
                         long long highest) {
    expect_lease_state(client, lease_state);
    assert_int_equal(lease_number(client, "lease_election_version"), election);
    assert_int_equal(lease_number(client, "lease_highest_version"), highest);
}

static void slaveof_takes_the_lease_and_a_new_master_waits_for_a_heartbeat(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    lease_grant(client, 7, 60000);
    expect_lease(client, "held", 7, 7);
    expect_text(client, "OK", "SET key 1");
    expect_text(client, "OK", "SLAVEOF 10.0.0.1 6666");
    expect_lease(client, "none", 0, 7);
    assert_int_equal(lease_number(client, "lease_deadline_ms"), 0);
    expect_error(client, READ_ONLY, "SET key 2");
    lease_grant(client, 8, 60000); // answered, and no lease for a replica
    expect_lease(client, "none", 0, 7);
    expect_text(client, "OK", "SLAVEOF NO ONE");
    expect_lease(client, "expired", 0, 7);
    expect_error(client, LEASE_REFUSAL, "SET key 3");
    expect_error(client, "ERR election version mismatch", "CLUSTERX HEARTBEAT 6 60000");
    expect_error(client, LEASE_REFUSAL, "SET key 4");
    lease_grant(client, 7, 60000);
    expect_text(client, "OK", "SET key 5");
}

static void a_node_that_never_had_a_lease_is_free_again(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_text(client, "OK", "SLAVEOF 10.0.0.1 6666");
    expect_text(client, "OK", "SLAVEOF NO ONE");
    expect_lease(client, "none", 0, 0);
    expect_text(client, "OK", "SET key 1");
}

static void slaveof_no_one_leaves_the_lease_of_a_master_alone(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    lease_grant(client, 7, 60000);
    expect_text(client, "OK", "SLAVEOF NO ONE");
    expect_lease(client, "held", 7, 7);
}

static void a_replica_that_ever_had_a_lease_restarts_without_one_and_is_fenced_as_a_master(void **state) {
    struct own_server *own = *state;
    lease_grant(own->client, 7, 60000);
    expect_text(own->client, "OK", "SLAVEOF 10.0.0.1 6666");
    expect_text(own->client, "OK", "CONFIG REWRITE");
    own_server_restart(own);
    expect_lease(own->client, "none", 0, 7);
    expect_text(own->client, "OK", "SLAVEOF NO ONE");
    expect_error(own->client, LEASE_REFUSAL, "SET key 1");
}

#define AS_MASTER  ID_A " 127.0.0.1 7001 master - 0-16383\n"
#define AS_REPLICA ID_A " 127.0.0.1 7001 slave " ID_B "\n" ID_B " 127.0.0.1 7002 master - 0-16383\n"

static void grant_to(redisContext *client, const char *id, int version) {
    redisReply *reply = command(client, "CLUSTERX HEARTBEAT %s 60000 %d", id, version);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    freeReplyObject(reply);
}

static void a_topology_takes_the_lease_and_a_new_master_waits_for_a_heartbeat(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_text(client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_set_nodes(client, AS_MASTER, 1);
    grant_to(client, ID_A, 7);
    expect_lease(client, "held", 7, 7);
    expect_set_nodes(client, AS_MASTER, 2); // no change of role
    expect_lease(client, "held", 7, 7);
    expect_set_nodes(client, AS_REPLICA, 3);
    expect_lease(client, "none", 0, 7);
    grant_to(client, ID_A, 8);
    expect_lease(client, "none", 0, 7);
    expect_set_nodes(client, AS_MASTER, 4);
    expect_lease(client, "expired", 0, 7);
    expect_error(client, LEASE_REFUSAL, "SET key 1");
    grant_to(client, ID_B, 8); // meant for another node
    expect_error(client, LEASE_REFUSAL, "SET key 1");
    grant_to(client, ID_A, 8);
    expect_text(client, "OK", "SET key 1");
    expect_lease(client, "held", 8, 8);
}

static void another_id_gives_the_lease_up(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_text(client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_set_nodes(client, AS_MASTER ID_C " 127.0.0.1 7003 master -\n", 1);
    grant_to(client, ID_A, 7);
    expect_text(client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_lease(client, "held", 7, 7);
    expect_text(client, "OK", "CLUSTERX SETNODEID %s", ID_C);
    expect_lease(client, "expired", 0, 7);
}

static void a_node_that_restarts_as_a_replica_of_its_topology_has_no_lease(void **state) {
    struct own_server *own = *state;
    expect_text(own->client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_set_nodes(own->client, AS_MASTER, 1);
    grant_to(own->client, ID_A, 7);
    expect_set_nodes(own->client, AS_REPLICA, 2);
    own_server_restart(own);
    expect_lease(own->client, "none", 0, 7);
    expect_set_nodes(own->client, AS_MASTER, 3);
    expect_error(own->client, LEASE_REFUSAL, "SET key 1");
}

// --- Under load ---

enum { WRITERS = 6, ROUNDS = 12 };

struct writer {
    pthread_t thread;
    const struct test_server *server;
    int number;
    atomic_bool *stop;
    long long acknowledged, unknown; // whose connection was closed instead of a reply
};

static redisContext *reconnect(struct writer *writer, redisContext *connection) {
    redisFree(connection);
    writer->unknown++;
    return server_connect(writer->server);
}

static void *write_on(void *argument) {
    struct writer *writer = argument;
    redisContext *connection = server_connect(writer->server);
    while (!atomic_load(writer->stop)) {
        redisReply *reply = redisCommand(connection, "INCR {w}%d", writer->number);
        if (reply == NULL) {
            connection = reconnect(writer, connection);
            continue;
        }
        writer->acknowledged += reply->type == REDIS_REPLY_INTEGER;
        freeReplyObject(reply);
    }
    redisFree(connection);
    return NULL;
}

struct load {
    struct writer writers[WRITERS];
    atomic_bool stop;
};

static void load_begin(struct load *load, const struct test_server *server) {
    atomic_store(&load->stop, false);
    for (int i = 0; i < WRITERS; i++) {
        load->writers[i] = (struct writer){.server = server, .number = i, .stop = &load->stop};
        assert_int_equal(pthread_create(&load->writers[i].thread, NULL, write_on, &load->writers[i]), 0);
    }
}

// Everything that was acknowledged is there, and nothing is that was refused.
static void load_end(struct load *load, redisContext *client) {
    atomic_store(&load->stop, true);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(load->writers[i].thread, NULL), 0);
    for (int i = 0; i < WRITERS; i++) {
        const struct writer *writer = &load->writers[i];
        redisReply *reply = command(client, "GET {w}%d", i);
        long long stored = reply->str == NULL ? 0 : strtoll(reply->str, NULL, 10);
        freeReplyObject(reply);
        assert_true(writer->acknowledged > 0);
        assert_in_range(stored, writer->acknowledged, writer->acknowledged + writer->unknown);
    }
}

static long long sequence_of(redisContext *client) {
    return server_info_number(client, "replication", "master_repl_offset");
}

// A number of INFO that shall have grown by so much.
struct growth {
    redisContext *client;
    const char *section, *field;
    long long wanted;
};

static bool has_grown(void *context) {
    const struct growth *growth = context;
    return server_info_number(growth->client, growth->section, growth->field) >= growth->wanted;
}

static void await_growth(redisContext *client, const char *section, const char *field, long long more,
                         const char *what) {
    struct growth growth = {client, section, field, server_info_number(client, section, field) + more};
    wait_until(has_grown, &growth, 30, what);
}

static void await_writes(redisContext *client) {
    await_growth(client, "replication", "master_repl_offset", 20, "writes to be accepted");
}

// Nothing is written while many writes are refused.
static void expect_no_writes(redisContext *client) {
    long long before = sequence_of(client);
    await_growth(client, "stats", "total_error_replies", 10 * WRITERS, "writes to be refused");
    assert_int_equal(sequence_of(client), before);
}

static void slaveof_under_load_lets_no_write_through(void **state) {
    const struct own_server *own = *state;
    struct load load;
    lease_grant(own->client, 1, 600000);
    load_begin(&load, &own->server);
    for (int round = 0; round < ROUNDS; round++) {
        await_writes(own->client);
        expect_text(own->client, "OK", "SLAVEOF 10.0.0.1 6666");
        expect_no_writes(own->client);
        expect_text(own->client, "OK", "SLAVEOF NO ONE");
        expect_no_writes(own->client); // the lease is expired
        lease_grant(own->client, 1, 600000);
    }
    await_writes(own->client);
    load_end(&load, own->client);
}

static void topologies_under_load_let_no_write_through(void **state) {
    const struct own_server *own = *state;
    struct load load;
    expect_text(own->client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_set_nodes(own->client, AS_MASTER, 1);
    grant_to(own->client, ID_A, 1);
    load_begin(&load, &own->server);
    for (int round = 0; round < ROUNDS; round++) {
        await_writes(own->client);
        expect_set_nodes(own->client, AS_REPLICA, 2 * round + 2);
        expect_no_writes(own->client);
        expect_set_nodes(own->client, AS_MASTER, 2 * round + 3);
        expect_no_writes(own->client);
        grant_to(own->client, ID_A, 1);
    }
    await_writes(own->client);
    load_end(&load, own->client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        own_server_test(a_replica_refuses_every_write_and_answers_everything_else, ""),
        own_server_test(info_role_and_hello_say_what_the_node_is, ""),
        own_server_test(a_master_must_be_somebody_else_at_a_port, ""),
        own_server_test(in_a_cluster_only_the_topology_decides, IN_CLUSTER),
        own_server_test(without_a_log_of_writes_there_is_nothing_to_copy,
                        "rocksdb.write_options.disable_wal yes"),
        own_server_test(the_configuration_tells_and_keeps_the_role, ""),
        own_server_test(slaveof_takes_the_lease_and_a_new_master_waits_for_a_heartbeat, FENCED),
        own_server_test(a_node_that_never_had_a_lease_is_free_again, FENCED),
        own_server_test(slaveof_no_one_leaves_the_lease_of_a_master_alone, FENCED),
        own_server_test(a_replica_that_ever_had_a_lease_restarts_without_one_and_is_fenced_as_a_master,
                        FENCED),
        own_server_test(a_topology_takes_the_lease_and_a_new_master_waits_for_a_heartbeat, IN_CLUSTER),
        own_server_test(another_id_gives_the_lease_up, IN_CLUSTER),
        own_server_test(a_node_that_restarts_as_a_replica_of_its_topology_has_no_lease, IN_CLUSTER),
        own_server_test(slaveof_under_load_lets_no_write_through, FENCED),
        own_server_test(topologies_under_load_let_no_write_through, IN_CLUSTER),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
