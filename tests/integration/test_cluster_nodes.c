// SPDX-License-Identifier: Apache-2.0
//
// A node and its controller: what is sent to it, what it answers, what it says of the cluster, and what a
// restart brings back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_client.h"
#include "server_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN_CLUSTER "cluster-enabled yes\n"
#define ONE_MASTER ID_A " 127.0.0.1 7001 master - 0-16383\n"

static void expect_nodes_refused(redisContext *client, const char *nodes, int version, const char *words) {
    redisReply *reply = set_nodes(client, nodes, version);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    assert_string_equal(reply->str, words);
    freeReplyObject(reply);
}

// Sends a question of several words, as they stand.
static redisReply *ask(redisContext *client, const char *question) {
    char text[128];
    char *rest = NULL;
    const char *words[8];
    int count = 0;
    (void)snprintf(text, sizeof(text), "%s", question);
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    redisReply *reply = redisCommandArgv(client, count, words, NULL);
    assert_non_null(reply);
    return reply;
}

// --- Without a cluster ---

static void outside_cluster_mode_every_question_is_answered_alike(void **state) {
    const struct own_server *own = *state;
    static const char *const questions[] = {"CLUSTER INFO",
                                            "CLUSTER NODES",
                                            "CLUSTER SLOTS",
                                            "CLUSTER SHARDS",
                                            "CLUSTER MYID",
                                            "CLUSTER KEYSLOT key",
                                            "CLUSTER REPLICAS nobody",
                                            "CLUSTER RESET",
                                            "CLUSTER COUNTKEYSINSLOT 1",
                                            "CLUSTERX VERSION",
                                            "CLUSTERX MYID",
                                            "CLUSTERX SETNODEID nobody",
                                            "CLUSTERX SETNODES x 1",
                                            "CLUSTER GETKEYSINSLOT 1 1"};
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        redisReply *reply = ask(own->client, questions[i]);
        assert_string_equal(reply->str, "ERR Cluster mode is not enabled");
        freeReplyObject(reply);
    }
    assert_int_equal(server_info_number(own->client, "cluster", "cluster_enabled"), 0);
    expect_text(own->client, "OK", "READONLY");
    expect_text(own->client, "OK", "READWRITE");
}

// --- Before the first topology ---

static void a_new_node_says_that_it_is_not_initialized_and_serves_nothing(void **state) {
    const struct own_server *own = *state;
    expect_error(own->client, "CLUSTERDOWN The cluster is not initialized", "CLUSTER INFO");
    expect_error(own->client, "CLUSTERDOWN The cluster is not initialized", "CLUSTER NODES");
    expect_error(own->client, "CLUSTERDOWN The cluster is not initialized", "CLUSTER SLOTS");
    expect_error(own->client, "CLUSTERDOWN The cluster is not initialized", "CLUSTER SHARDS");
    expect_text(own->client, "-1", "CLUSTERX VERSION");
    expect_text(own->client, "", "CLUSTERX MYID");
    expect_integer(own->client, 12182, "CLUSTER KEYSLOT foo");
    expect_integer(own->client, 5061, "CLUSTER KEYSLOT {bar}foo");
    expect_error(own->client, "CLUSTERDOWN Hash slot not served", "GET foo");
    assert_int_equal(server_info_number(own->client, "cluster", "cluster_enabled"), 1);
}

// --- Versions ---

static void versions_go_up_and_an_equal_one_changes_nothing(void **state) {
    const struct own_server *own = *state;
    redisContext *client = own->client;
    expect_text(client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_nodes_refused(client, ONE_MASTER, -1, "ERR Invalid cluster version");
    expect_set_nodes(client, ONE_MASTER, 0);
    expect_set_nodes(client, ONE_MASTER, 5);
    expect_text(client, "5", "CLUSTERX VERSION");
    expect_nodes_refused(client, ONE_MASTER, 4, "ERR Invalid cluster version");
    server_wait_log(&own->server, "a topology of version 4 is refused: this node has version 5");
    expect_set_nodes(client, "not even read", 5);
    expect_text(client, "5", "CLUSTERX VERSION");
    expect_text(client, "OK", "SET foo 1");
}

static void force_lets_any_version_pass_that_is_not_negative(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_set_nodes(client, ONE_MASTER, 5);
    expect_text(client, "OK", "CLUSTERX SETNODES %s 3 FORCE", ID_A " 127.0.0.1 7001 master - 0-5");
    expect_text(client, "3", "CLUSTERX VERSION");
    expect_error(client, "ERR Invalid cluster version", "CLUSTERX SETNODES %s -1 force", ONE_MASTER);
    expect_error(client, "ERR Invalid setnodes options", "CLUSTERX SETNODES %s 9 forced", ONE_MASTER);
    expect_error(client, "ERR Invalid version", "CLUSTERX SETNODES %s x", ONE_MASTER);
    expect_error(client, "ERR wrong number of arguments", "CLUSTERX SETNODES %s", ONE_MASTER);
    expect_error(client, "ERR wrong number of arguments", "CLUSTERX SETNODES %s 9 force more", ONE_MASTER);
    expect_text(client, "3", "CLUSTERX VERSION");
}

static void every_mistake_has_its_words_and_changes_nothing(void **state) {
    static const struct {
        const char *nodes, *words;
    } mistakes[] = {
        {"", "ERR Invalid cluster nodes info"},
        {ID_A " 127.0.0.1 7001 master", "ERR Invalid cluster nodes info"},
        {"short 127.0.0.1 7001 master - 0", "ERR Invalid cluster node id"},
        {ID_A " 127.0.0.1 70000 master - 0", "ERR Invalid cluster node port"},
        {ID_A " 127.0.0.1 7001 owner - 0", "ERR Invalid cluster node role"},
        {ID_A " 127.0.0.1 7001 master 0 1", "ERR Invalid cluster node id"},
        {ID_A " 127.0.0.1 7001 slave " ID_B " 1", "ERR Invalid cluster nodes info"},
        {ID_A " 127.0.0.1 7001 master - 16384", "ERR Slot is out of range"},
        {ID_A " 127.0.0.1 7001 master - 5-5", "ERR Slot is out of range"},
        {ID_A " 127.0.0.1 7001 master - 0-5 3", "ERR Slot distribution is overlapped"},
        {ID_A " 127.0.0.1 7001 master - 0 0123456789012345678901234567890123456789 127.0.0.1",
         "ERR Invalid nodes definition: Missing newline between node entries."},
    };
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_set_nodes(client, ONE_MASTER, 1);
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
        expect_nodes_refused(client, mistakes[i].nodes, 2, mistakes[i].words);
    expect_text(client, "1", "CLUSTERX VERSION");
    expect_error(client, "ERR Invalid node id", "CLUSTERX SETNODEID short");
}

static void changes_of_the_node_are_not_let_into_a_transaction(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_text(client, "OK", "MULTI");
    expect_error(client, "ERR CLUSTERX|SETNODES is not allowed in transactions", "CLUSTERX SETNODES %s 1",
                 ONE_MASTER);
    expect_error(client, "EXECABORT", "EXEC");
}

// --- What it says of the cluster ---

static char *text_of(redisContext *client, const char *question) {
    redisReply *reply = ask(client, question);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    char *text = strdup(reply->str);
    freeReplyObject(reply);
    return text;
}

static void assert_says(redisContext *client, const char *question, const char *words) {
    char *text = text_of(client, question);
    if (strstr(text, words) == NULL)
        fail_msg("%s says '%s' and not '%s'", question, text, words);
    free(text);
}

static void the_controller_finds_what_it_reads(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_text(client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_set_nodes(client,
                     ID_A " 127.0.0.1 7001 master - 0-100 200\n" ID_B " 127.0.0.1 7002 slave " ID_A "\n" ID_C
                          " 127.0.0.1 7003 slave,fail " ID_A "\n",
                     17);
    assert_says(client, "CLUSTER INFO", "cluster_state:ok\r\ncluster_slots_assigned:102\r\n");
    assert_says(client, "CLUSTER INFO", "\r\ncluster_current_epoch:17\r\n");
    assert_says(client, "CLUSTER NODES", ID_A " 127.0.0.1:7001@17001 myself,master - ");
    assert_says(client, "CLUSTER NODES", " 17 connected 0-100 200\n");
    assert_says(client, "CLUSTER NODES", ID_C " 127.0.0.1:7003@17003 slave,fail " ID_A " ");
    assert_says(client, "CLUSTER REPLICAS " ID_A, ID_B " 127.0.0.1:7002@17002 slave " ID_A " ");
    expect_error(client, "ERR Invalid cluster node id", "CLUSTER REPLICAS %s", "nobody");
    expect_error(client, "ERR The node isn't a master", "CLUSTER REPLICAS %s", ID_B);
    expect_text(client, ID_A, "CLUSTER MYID");
    assert_says(client, "INFO", "\r\nrole:master\r\n");
    assert_says(client, "INFO", "\r\nredis_mode:cluster\r\n");
}

static void slots_tells_each_range_with_its_nodes_but_failed_ones(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_set_nodes(client,
                     ID_A " 127.0.0.1 7001 master - 0-100 200\n" ID_B " h 7002 slave " ID_A "\n" ID_C
                          " h 7003 slave,fail " ID_A "\n",
                     1);
    redisReply *reply = command(client, "CLUSTER SLOTS");
    assert_int_equal(reply->elements, 2);
    const redisReply *range = reply->element[0];
    assert_int_equal(range->elements, 4);
    assert_int_equal(range->element[0]->integer, 0);
    assert_int_equal(range->element[1]->integer, 100);
    assert_string_equal(range->element[2]->element[0]->str, "127.0.0.1");
    assert_int_equal(range->element[2]->element[1]->integer, 7001);
    assert_string_equal(range->element[2]->element[2]->str, ID_A);
    assert_string_equal(range->element[3]->element[2]->str, ID_B);
    assert_int_equal(reply->element[1]->element[0]->integer, 200);
    freeReplyObject(reply);
    reply = command(client, "CLUSTER SHARDS");
    assert_int_equal(reply->elements, 1);
    assert_int_equal(reply->element[0]->element[1]->elements, 4); // 0 100 200 200
    assert_int_equal(reply->element[0]->element[3]->elements, 3); // nodes
    assert_string_equal(reply->element[0]->element[3]->element[2]->element[13]->str, "fail");
    freeReplyObject(reply);
}

static void keys_are_counted_and_listed_by_slot(void **state) {
    redisContext *client = ((const struct own_server *)*state)->client;
    expect_text(client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_set_nodes(client, ONE_MASTER, 1);
    expect_text(client, "OK", "MSET foo 1 {foo}a 2 {foo}b 3");
    expect_text(client, "OK", "SET bar 1");
    expect_integer(client, 3, "CLUSTER COUNTKEYSINSLOT 12182");
    expect_integer(client, 1, "CLUSTER COUNTKEYSINSLOT 5061");
    expect_integer(client, 0, "CLUSTER COUNTKEYSINSLOT 5062");
    redisReply *reply = command(client, "CLUSTER GETKEYSINSLOT 12182 2");
    assert_int_equal(reply->elements, 2);
    freeReplyObject(reply);
    reply = command(client, "CLUSTER GETKEYSINSLOT 5061 10");
    assert_int_equal(reply->elements, 1);
    assert_string_equal(reply->element[0]->str, "bar");
    freeReplyObject(reply);
    expect_error(client, "ERR Invalid slot", "CLUSTER COUNTKEYSINSLOT 16384");
    expect_error(client, "ERR Invalid slot", "CLUSTER GETKEYSINSLOT -1 1");
    expect_error(client, "ERR Invalid number of keys", "CLUSTER GETKEYSINSLOT 1 -1");
    redisReply *all = command(client, "KEYS *");
    assert_int_equal(all->elements, 4);
    freeReplyObject(all);
}

// --- Leaving the cluster ---

static void a_node_leaves_the_cluster_only_when_it_is_empty(void **state) {
    struct own_server *own = *state;
    expect_text(own->client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_set_nodes(own->client, ONE_MASTER, 7);
    expect_text(own->client, "OK", "SET foo 1");
    expect_error(own->client, "ERR Can't reset cluster while database is not empty", "CLUSTER RESET HARD");
    expect_text(own->client, "OK", "FLUSHALL");
    expect_text(own->client, "OK", "CLUSTER RESET HARD");
    expect_error(own->client, "CLUSTERDOWN The cluster is not initialized", "CLUSTER INFO");
    expect_text(own->client, "-1", "CLUSTERX VERSION");
    own_server_restart(own);
    expect_text(own->client, "-1", "CLUSTERX VERSION");
    expect_set_nodes(own->client, ONE_MASTER, 0);
    expect_error(own->client, "ERR syntax error", "CLUSTER RESET GENTLY");
}

// --- nodes.conf ---

static void nodes_path(const struct own_server *own, char path[256]) {
    (void)snprintf(path, 256, "%s/nodes.conf", own->server.directory);
}

static void a_restart_brings_topology_id_and_role_back(void **state) {
    struct own_server *own = *state;
    expect_text(own->client, "OK", "CLUSTERX SETNODEID %s", ID_B);
    expect_set_nodes(own->client, ONE_MASTER ID_B " 127.0.0.1 7002 slave " ID_A, 9);
    server_kill(&own->server);
    own_server_restart(own);
    expect_text(own->client, "9", "CLUSTERX VERSION");
    expect_text(own->client, ID_B, "CLUSTERX MYID");
    assert_says(own->client, "INFO replication",
                "role:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:7001\r\nmaster_link_status:down\r\n");
    expect_error(own->client, "MOVED 12182 127.0.0.1:7001", "SET foo 1");
    expect_error(own->client, "READONLY You can't write against a read only replica.", "FLUSHALL");
}

static void expect_failing_start(struct own_server *own, const char *words) {
    redisFree(own->client);
    server_stop(&own->server);
    server_spawn(&own->server);
    assert_int_not_equal(server_wait_exit(&own->server), 0);
    assert_true(server_log_contains(&own->server, words));
    assert_true(server_log_contains(&own->server, "Delete the file"));
    char path[256];
    nodes_path(own, path);
    assert_int_equal(unlink(path), 0);
    server_restart(&own->server);
    own->client = server_connect(&own->server);
    expect_text(own->client, "-1", "CLUSTERX VERSION");
}

static void a_file_that_was_cut_off_stops_the_start_and_says_what_to_do(void **state) {
    struct own_server *own = *state;
    char path[256];
    expect_set_nodes(own->client, ONE_MASTER ID_B " 127.0.0.1 7002 slave " ID_A "\n", 9);
    nodes_path(own, path);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(truncate(path, status.st_size - 99), 0); // just the last line
    expect_failing_start(own, "its checksum does not fit");
}

static void a_file_that_was_scribbled_on_stops_the_start_and_says_what_to_do(void **state) {
    struct own_server *own = *state;
    char path[256];
    expect_set_nodes(own->client, ONE_MASTER, 9);
    nodes_path(own, path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("vars currentEpoch 6 lastVoteEpoch 0\n", file) >= 0); // what Redis writes
    assert_int_equal(fclose(file), 0);
    expect_failing_start(own, "starts with none of 'version', 'id' and 'node': 'vars currentEpoch");
}

static void persistence_can_be_switched_off_and_on(void **state) {
    struct own_server *own = *state;
    char path[256];
    expect_set_nodes(own->client, ONE_MASTER, 3);
    nodes_path(own, path);
    assert_int_equal(access(path, F_OK), 0);
    expect_text(own->client, "OK", "CONFIG SET persist-cluster-nodes-enabled no");
    assert_int_equal(access(path, F_OK), -1);
    expect_text(own->client, "OK", "CONFIG SET persist-cluster-nodes-enabled yes");
    own_server_restart(own);
    expect_text(own->client, "3", "CLUSTERX VERSION");
}

// --- The mode of the data directory ---

static void rewrite_mode(const struct own_server *own, const char *line) {
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/kvfence.conf", own->server.directory);
    FILE *file = fopen(path, "ae");
    assert_non_null(file);
    assert_true(fprintf(file, "%s\n", line) > 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_wrong_mode(struct own_server *own, const char *other, const char *back,
                              const char *words) {
    redisFree(own->client);
    server_stop(&own->server);
    rewrite_mode(own, other);
    server_spawn(&own->server);
    assert_int_not_equal(server_wait_exit(&own->server), 0);
    assert_true(server_log_contains(&own->server, words));
    rewrite_mode(own, back);
    server_restart(&own->server);
    own->client = server_connect(&own->server);
    expect_text(own->client, "1", "GET foo");
}

static void data_of_a_cluster_is_not_opened_outside_it(void **state) {
    struct own_server *own = *state;
    expect_set_nodes(own->client, ONE_MASTER, 1);
    expect_text(own->client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_text(own->client, "OK", "SET foo 1");
    expect_wrong_mode(own, "cluster-enabled no", "cluster-enabled yes", "was written in cluster mode");
}

static void data_of_a_single_server_is_not_opened_in_a_cluster(void **state) {
    struct own_server *own = *state;
    expect_text(own->client, "OK", "SET foo 1");
    expect_wrong_mode(own, "cluster-enabled yes", "cluster-enabled no", "was not written in cluster mode");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        own_server_test(outside_cluster_mode_every_question_is_answered_alike, ""),
        own_server_test(a_new_node_says_that_it_is_not_initialized_and_serves_nothing, IN_CLUSTER),
        own_server_test(versions_go_up_and_an_equal_one_changes_nothing, IN_CLUSTER),
        own_server_test(force_lets_any_version_pass_that_is_not_negative, IN_CLUSTER),
        own_server_test(every_mistake_has_its_words_and_changes_nothing, IN_CLUSTER),
        own_server_test(changes_of_the_node_are_not_let_into_a_transaction, IN_CLUSTER),
        own_server_test(the_controller_finds_what_it_reads, IN_CLUSTER),
        own_server_test(slots_tells_each_range_with_its_nodes_but_failed_ones, IN_CLUSTER),
        own_server_test(keys_are_counted_and_listed_by_slot, IN_CLUSTER),
        own_server_test(a_node_leaves_the_cluster_only_when_it_is_empty, IN_CLUSTER),
        own_server_test(a_restart_brings_topology_id_and_role_back, IN_CLUSTER),
        own_server_test(a_file_that_was_cut_off_stops_the_start_and_says_what_to_do, IN_CLUSTER),
        own_server_test(a_file_that_was_scribbled_on_stops_the_start_and_says_what_to_do, IN_CLUSTER),
        own_server_test(persistence_can_be_switched_off_and_on, IN_CLUSTER),
        own_server_test(data_of_a_cluster_is_not_opened_outside_it, IN_CLUSTER),
        own_server_test(data_of_a_single_server_is_not_opened_in_a_cluster, ""),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
