// SPDX-License-Identifier: Apache-2.0
//
// CLUSTERX HEARTBEAT against the real server: each row of its table, in both forms. Each test has a server of
// its own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_client.h"
#include "server_fixture.h"
#include "texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MY_ID    "0123456789abcdef0123456789abcdef01234567"
#define OTHER_ID "fedcba9876543210fedcba9876543210fedcba98"
#define ALONE    "master-lease-mode block-write"
#define CLUSTER  "master-lease-mode block-write\ncluster-enabled yes"

enum { LONG_MS = 60000, SLACK_MS = 30000 };

static redisContext *client_of(void **state) {
    const struct own_server *own = *state;
    return own->client;
}

// --- The lease's state, to see what changed ---

struct standing {
    long long version, highest, renewals, late, stale;
    char mode_and_state[160]; // the section's lines up to the first number
};

static struct standing standing_of(redisContext *client) {
    struct standing standing = {
        .version = lease_number(client, "lease_election_version"),
        .highest = lease_number(client, "lease_highest_version"),
        .renewals = lease_number(client, "lease_renewals"),
        .late = lease_number(client, "lease_late_heartbeats"),
        .stale = lease_number(client, "lease_stale_heartbeats"),
    };
    redisReply *reply = command(client, "INFO lease");
    (void)snprintf(standing.mode_and_state, sizeof(standing.mode_and_state), "%.*s",
                   (int)(strstr(reply->str, "lease_election_version") - reply->str), reply->str);
    freeReplyObject(reply);
    return standing;
}

static void expect_unchanged(redisContext *client, const struct standing *before) {
    struct standing after = standing_of(client);
    assert_int_equal(after.version, before->version);
    assert_int_equal(after.highest, before->highest);
    assert_int_equal(after.renewals, before->renewals);
    assert_int_equal(after.late, before->late);
    assert_string_equal(after.mode_and_state, before->mode_and_state);
}

static void expect_deadline_about(redisContext *client, long long milliseconds) {
    long long left = lease_number(client, "lease_deadline_ms");
    if (left > milliseconds || left < milliseconds - SLACK_MS)
        fail_msg("the lease ends in %lld ms, not in %lld", left, milliseconds);
}

// --- A node of a cluster ---

static void make_master(void **state) {
    const struct own_server *own = *state;
    char line[160];
    expect_text(own->client, "OK", "CLUSTERX SETNODEID " MY_ID);
    (void)snprintf(line, sizeof(line), MY_ID " 127.0.0.1 %d master - 0-16383", own->server.port);
    expect_text(own->client, "OK", "CLUSTERX SETNODES %s 1", line);
}

static void make_replica(void **state) {
    const struct own_server *own = *state;
    char lines[320];
    expect_text(own->client, "OK", "CLUSTERX SETNODEID " MY_ID);
    (void)snprintf(lines, sizeof(lines),
                   OTHER_ID " 127.0.0.1 1 master - 0-16383\n" MY_ID " 127.0.0.1 %d slave " OTHER_ID,
                   own->server.port);
    expect_text(own->client, "OK", "CLUSTERX SETNODES %s 1", lines);
}

static void node_heartbeat(redisContext *client, const char *id, unsigned lease_ms, unsigned version) {
    redisReply *reply = command(client, "CLUSTERX HEARTBEAT %s %u %u", id, lease_ms, version);
    if (reply->type != REDIS_REPLY_STRING)
        fail_msg("%s", reply->str);
    freeReplyObject(reply);
}

// --- Rows that are errors ---

static void without_cluster_mode_the_long_form_is_not_enabled_and_the_short_one_is(void **state) {
    redisContext *client = client_of(state);
    struct standing before = standing_of(client);
    expect_error(client, "ERR Cluster mode is not enabled", "CLUSTERX HEARTBEAT " MY_ID " 1000 1");
    expect_unchanged(client, &before);
    lease_grant(client, 1, LONG_MS);
    expect_lease_state(client, "held");
}

static const struct {
    const char *words, *error;
} wrong[] = {
    {"CLUSTERX HEARTBEAT", "ERR wrong number of arguments"},
    {"CLUSTERX HEARTBEAT 1", "ERR wrong number of arguments"},
    {"CLUSTERX HEARTBEAT " MY_ID " 1000 1 SINCE", "ERR wrong number of arguments"},
    {"CLUSTERX HEARTBEAT " MY_ID " 1000 1 SINCE 1 2", "ERR wrong number of arguments"},
    {"CLUSTERX HEARTBEAT x 1000", "ERR election_version is not an integer or out of range"},
    {"CLUSTERX HEARTBEAT -1 1000", "ERR election_version is not an integer or out of range"},
    {"CLUSTERX HEARTBEAT 18446744073709551616 1000",
     "ERR election_version is not an integer or out of range"},
    {"CLUSTERX HEARTBEAT 1 x", "ERR ttl_ms is not an integer or out of range"},
    {"CLUSTERX HEARTBEAT 1 -1000", "ERR ttl_ms is not an integer or out of range"},
    {"CLUSTERX HEARTBEAT 1 1000.5", "ERR ttl_ms is not an integer or out of range"},
    {"CLUSTERX HEARTBEAT 1 0", "ERR invalid lease_ms"},
    {"CLUSTERX HEARTBEAT 1 86400001", "ERR invalid lease_ms"},
    {"CLUSTERX HEARTBEAT 1 18446744073709551615", "ERR invalid lease_ms"},
    {"CLUSTERX HEARTBEAT " MY_ID " x 1", "ERR lease_ms is not an integer or out of range"},
    {"CLUSTERX HEARTBEAT " MY_ID " -1 1", "ERR lease_ms is not an integer or out of range"},
    {"CLUSTERX HEARTBEAT " MY_ID " 1000 x", "ERR election_version is not an integer or out of range"},
    {"CLUSTERX HEARTBEAT " MY_ID " 1000 1 SINCE x", "ERR since is not an integer or out of range"},
    {"CLUSTERX HEARTBEAT " MY_ID " 1000 1 SINCE -1", "ERR since is not an integer or out of range"},
    {"CLUSTERX HEARTBEAT " MY_ID " 1000 1 AFTER 1", "ERR syntax error"},
    {"CLUSTERX HEARTBEAT " MY_ID " 0 1", "ERR invalid lease_ms"},
    {"CLUSTERX HEARTBEAT " MY_ID " 86400001 1", "ERR invalid lease_ms"},
};

static void a_heartbeat_that_is_wrong_is_an_error_and_changes_nothing(void **state) {
    redisContext *client = client_of(state);
    make_master(state);
    for (int round = 0; round < 2; round++) { // without a lease, then with one
        struct standing before = standing_of(client);
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
            redisReply *reply = redisCommand(client, wrong[i].words);
            if (reply == NULL || reply->type != REDIS_REPLY_ERROR ||
                strncmp(reply->str, wrong[i].error, strlen(wrong[i].error)) != 0)
                fail_msg("%s: %s", wrong[i].words, reply == NULL ? "no reply" : reply->str);
            freeReplyObject(reply);
        }
        expect_unchanged(client, &before);
        node_heartbeat(client, MY_ID, LONG_MS, 5);
    }
    expect_deadline_about(client, LONG_MS);
}

static void a_day_is_the_longest_lease(void **state) {
    redisContext *client = client_of(state);
    lease_grant(client, 1, 86400000);
    expect_deadline_about(client, 86400000);
}

static void a_lower_election_version_is_told_both_versions_and_changes_nothing(void **state) {
    redisContext *client = client_of(state);
    make_master(state);
    node_heartbeat(client, MY_ID, LONG_MS, 5);
    struct standing before = standing_of(client);
    expect_error(client, "ERR election version mismatch: local=5, received=4",
                 "CLUSTERX HEARTBEAT " MY_ID " 1 4");
    expect_error(client, "ERR election version mismatch: local=5, received=4", "CLUSTERX HEARTBEAT 4 1");
    expect_unchanged(client, &before);
    assert_int_equal(lease_number(client, "lease_stale_heartbeats"), before.stale + 2);
    expect_text(client, "OK", "SET key value");
}

static void since_in_the_future_of_this_nodes_clock_is_invalid(void **state) {
    redisContext *client = client_of(state);
    make_master(state);
    node_heartbeat(client, MY_ID, LONG_MS, 1);
    struct standing before = standing_of(client);
    expect_error(client, "ERR invalid since", "CLUSTERX HEARTBEAT " MY_ID " 1000 1 SINCE %lld",
                 lease_number(client, "lease_clock_ms") + 1000000);
    expect_unchanged(client, &before);
}

// --- Rows without an error and without a renewal ---

static void another_nodes_heartbeat_is_answered_and_sets_no_lease(void **state) {
    redisContext *client = client_of(state);
    make_master(state);
    struct standing before = standing_of(client);
    redisReply *reply = command(client, "CLUSTERX HEARTBEAT " OTHER_ID " 1 7");
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    (void)text_after(reply->str, "\r\nrole:master\r\n");
    freeReplyObject(reply);
    expect_unchanged(client, &before);
    expect_lease_state(client, "none");
    let_boot_time_pass(10);
    expect_text(client, "OK", "SET key value");
}

static void a_replica_answers_heartbeats_and_takes_no_lease(void **state) {
    redisContext *client = client_of(state);
    make_replica(state);
    node_heartbeat(client, MY_ID, LONG_MS, 7);
    node_heartbeat(client, OTHER_ID, LONG_MS, 7);
    redisReply *reply = command(client, "CLUSTERX HEARTBEAT 7 %d", LONG_MS);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    (void)text_after(reply->str, "\r\nrole:slave\r\n");
    freeReplyObject(reply);
    expect_lease_state(client, "none");
    assert_int_equal(lease_number(client, "lease_renewals"), 0);
}

static void since_that_was_overtaken_changes_nothing_and_counts_as_late(void **state) {
    redisContext *client = client_of(state);
    make_master(state);
    node_heartbeat(client, MY_ID, LONG_MS, 1);
    long long clock = lease_number(client, "lease_clock_ms");
    let_boot_time_pass(5);
    long long later = lease_number(client, "lease_clock_ms");
    freeReplyObject(command(client, "CLUSTERX HEARTBEAT " MY_ID " %d 1 SINCE %lld", LONG_MS, later));
    struct standing before = standing_of(client);
    redisReply *reply = command(client, "CLUSTERX HEARTBEAT " MY_ID " 1 1 SINCE %lld", clock);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    freeReplyObject(reply);
    before.late++;
    expect_unchanged(client, &before);
    expect_deadline_about(client, LONG_MS);
}

// --- Rows that move the deadline ---

static void of_the_same_version_the_latest_wins_also_when_it_shortens(void **state) {
    redisContext *client = client_of(state);
    make_master(state);
    node_heartbeat(client, MY_ID, LONG_MS, 5);
    node_heartbeat(client, MY_ID, 10 * LONG_MS, 5);
    expect_deadline_about(client, 10 * LONG_MS);
    node_heartbeat(client, MY_ID, LONG_MS, 5);
    expect_deadline_about(client, LONG_MS);
    node_heartbeat(client, MY_ID, 1, 5);
    await_expirations(client, 1);
    expect_error(client, LEASE_REFUSAL, "SET key value");
}

static void a_higher_version_is_in_the_file_before_the_reply(void **state) {
    const struct own_server *own = *state;
    char path[192];
    char text[256] = "";
    (void)snprintf(path, sizeof(path), "%s/lease.state", own->server.directory);
    for (unsigned version = 3; version < 40; version += 12) {
        char wanted[64];
        lease_grant(own->client, version, LONG_MS);
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
        (void)fclose(file);
        (void)snprintf(wanted, sizeof(wanted), "highest_version %u\n", version);
        (void)text_after(text, wanted);
        assert_int_equal(lease_number(own->client, "lease_election_version"), version);
    }
}

static void a_lease_with_since_counts_from_that_reading(void **state) {
    redisContext *client = client_of(state);
    make_master(state);
    long long clock = lease_number(client, "lease_clock_ms");
    let_boot_time_pass(200);
    freeReplyObject(command(client, "CLUSTERX HEARTBEAT " MY_ID " %d 1 SINCE %lld", LONG_MS, clock));
    long long left = lease_number(client, "lease_deadline_ms");
    assert_in_range(left, LONG_MS - SLACK_MS, LONG_MS - 200);
}

static void a_lease_that_is_over_already_fences_and_counts_as_late(void **state) {
    redisContext *client = client_of(state);
    make_master(state);
    node_heartbeat(client, MY_ID, LONG_MS, 1);
    long long clock = lease_number(client, "lease_clock_ms");
    let_boot_time_pass(50);
    redisReply *reply = command(client, "CLUSTERX HEARTBEAT " MY_ID " 20 1 SINCE %lld", clock);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    (void)text_after(reply->str, "\r\nlease_state:expired\r\n");
    freeReplyObject(reply);
    expect_error(client, LEASE_REFUSAL, "SET key value");
    assert_int_equal(lease_number(client, "lease_late_heartbeats"), 1);
    node_heartbeat(client, MY_ID, LONG_MS, 1);
    expect_text(client, "OK", "SET key value");
}

// --- The reply, and where the command may be used ---

static void the_reply_holds_what_the_controller_reads_and_the_leases_fields(void **state) {
    static const char *const lines[] = {"role:master\r\n",
                                        "master_repl_offset:",
                                        "sequence:",
                                        "lease_mode:block-write\r\n",
                                        "lease_state:held\r\n",
                                        "lease_election_version:4\r\n",
                                        "lease_highest_version:4\r\n",
                                        "lease_deadline_ms:",
                                        "lease_clock_ms:",
                                        "lease_renewals:1\r\n",
                                        "lease_stale_heartbeats:0\r\n",
                                        "lease_late_heartbeats:0\r\n",
                                        "lease_expirations:0\r\n",
                                        "lease_writes_refused:0\r\n",
                                        "lease_writes_logged:0\r\n",
                                        "lease_late_commits:0\r\n",
                                        "lease_kernel_fence:"};
    redisContext *client = client_of(state);
    long long before = lease_number(client, "lease_clock_ms");
    redisReply *reply = command(client, "clusterx heartbeat 4 60000");
    EXPECT_IN_ORDER(reply->str, lines);
    const char *clock = text_after(reply->str, "\r\nlease_clock_ms:");
    assert_in_range(strtoll(clock, NULL, 10), before, lease_number(client, "lease_clock_ms"));
    freeReplyObject(reply);
}

static void every_line_of_the_reply_is_a_name_a_colon_and_a_value(void **state) {
    redisReply *reply = command(client_of(state), "CLUSTERX HEARTBEAT 1 1000");
    char *rest = NULL;
    for (char *line = strtok_r(reply->str, "\r\n", &rest); line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        const char *colon = strchr(line, ':');
        if (line[0] != '#' && (colon == NULL || strchr(colon + 1, ':') != NULL))
            fail_msg("%s", line);
    }
    freeReplyObject(reply);
}

static void a_heartbeat_cannot_be_queued_and_is_not_shown_to_monitors(void **state) {
    const struct own_server *own = *state;
    redisContext *monitor = server_connect(&own->server);
    expect_text(monitor, "OK", "MONITOR");
    lease_grant(own->client, 1, LONG_MS);
    expect_text(own->client, "OK", "MULTI");
    expect_error(own->client, "ERR CLUSTERX|HEARTBEAT is not allowed in transactions",
                 "CLUSTERX HEARTBEAT 1 1000");
    expect_text(own->client, "OK", "DISCARD");
    expect_text(own->client, "PONG", "PING");
    redisReply *line = NULL;
    do {
        if (line != NULL)
            assert_null(strstr(line->str, "HEARTBEAT"));
        freeReplyObject(line);
        assert_int_equal(redisGetReply(monitor, (void **)&line), REDIS_OK);
    } while (strstr(line->str, "PING") == NULL && strstr(line->str, "HEARTBEAT") == NULL);
    assert_null(strstr(line->str, "HEARTBEAT"));
    freeReplyObject(line);
    redisFree(monitor);
}

static void a_stranger_cannot_grant_a_lease(void **state) {
    const struct own_server *own = *state;
    expect_text(own->client, "OK", "CONFIG SET requirepass secret");
    redisContext *stranger = server_connect(&own->server);
    expect_error(stranger, "NOAUTH", "CLUSTERX HEARTBEAT 1 1000");
    expect_lease_state(own->client, "none");
    redisFree(stranger);
}

static void a_pause_of_clients_does_not_hold_heartbeats(void **state) {
    redisContext *client = client_of(state);
    expect_text(client, "OK", "CLIENT PAUSE 600000 ALL");
    lease_grant(client, 1, LONG_MS);
    expect_text(client, "OK", "CLIENT UNPAUSE");
}

#define ALONE_TEST(test)   own_server_test(test, ALONE)
#define CLUSTER_TEST(test) own_server_test(test, CLUSTER)

int main(void) {
    const struct CMUnitTest tests[] = {
        ALONE_TEST(without_cluster_mode_the_long_form_is_not_enabled_and_the_short_one_is),
        CLUSTER_TEST(a_heartbeat_that_is_wrong_is_an_error_and_changes_nothing),
        ALONE_TEST(a_day_is_the_longest_lease),
        CLUSTER_TEST(a_lower_election_version_is_told_both_versions_and_changes_nothing),
        CLUSTER_TEST(since_in_the_future_of_this_nodes_clock_is_invalid),
        CLUSTER_TEST(another_nodes_heartbeat_is_answered_and_sets_no_lease),
        CLUSTER_TEST(a_replica_answers_heartbeats_and_takes_no_lease),
        CLUSTER_TEST(since_that_was_overtaken_changes_nothing_and_counts_as_late),
        CLUSTER_TEST(of_the_same_version_the_latest_wins_also_when_it_shortens),
        ALONE_TEST(a_higher_version_is_in_the_file_before_the_reply),
        CLUSTER_TEST(a_lease_with_since_counts_from_that_reading),
        CLUSTER_TEST(a_lease_that_is_over_already_fences_and_counts_as_late),
        ALONE_TEST(the_reply_holds_what_the_controller_reads_and_the_leases_fields),
        own_server_test(every_line_of_the_reply_is_a_name_a_colon_and_a_value,
                        ALONE "\nfence-bpf-path /nonexistent"),
        ALONE_TEST(a_heartbeat_cannot_be_queued_and_is_not_shown_to_monitors),
        ALONE_TEST(a_stranger_cannot_grant_a_lease),
        ALONE_TEST(a_pause_of_clients_does_not_hold_heartbeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
