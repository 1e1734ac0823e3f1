// SPDX-License-Identifier: Apache-2.0
//
// The operator's commands: backups, shutdown, the slow log, latency, memory, DEBUG and the small ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct test_server server;
static redisContext *connection;
static const struct shared_server servers[] = {{&server, NULL, {&connection}}};

// --- Small ones ---

static void time_is_the_clock(void **state) {
    (void)state;
    time_t before = time(NULL);
    redisReply *reply = command(connection, "TIME");
    assert_int_equal(reply->elements, 2);
    long long seconds = strtoll(reply->element[0]->str, NULL, 10);
    long long microseconds = strtoll(reply->element[1]->str, NULL, 10);
    assert_in_range(seconds, before, time(NULL));
    assert_in_range(microseconds, 0, 999999);
    freeReplyObject(reply);
}

static void role_is_master_at_the_latest_sequence(void **state) {
    (void)state;
    expect_text(connection, "OK", "SET sequenced 1");
    redisReply *reply = command(connection, "ROLE");
    assert_int_equal(reply->elements, 2); // replicas come third, where there are any
    assert_string_equal(reply->element[0]->str, "master");
    assert_int_equal(strtoll(reply->element[1]->str, NULL, 10),
                     server_info_number(connection, "keyspace", "sequence"));
    freeReplyObject(reply);
    expect_text(connection, "OK", "REPLICAOF NO ONE");
    expect_text(connection, "OK", "SLAVEOF no one");
}

static void lolwut_tells_the_versions(void **state) {
    (void)state;
    redisReply *reply = command(connection, "LOLWUT VERSION 5 10 10");
    assert_int_equal(strncmp(reply->str, "Redis ver. 7.0.15", 17), 0);
    freeReplyObject(reply);
    reply = command(connection, "STATS");
    assert_non_null(strstr(reply->str, "Compaction Stats"));
    freeReplyObject(reply);
}

static void the_database_can_be_compacted_and_flushed(void **state) {
    (void)state;
    expect_text(connection, "OK", "COMPACT");
    expect_text(connection, "Background append only file rewriting started", "BGREWRITEAOF");
    expect_text(connection, "PONG", "PING");
}

// --- Backups ---

static bool no_backup_is_running(void *context) {
    return server_info_number(context, "persistence", "bgsave_in_progress") == 0;
}

static bool exists_in_backup(const char *name) {
    char path[256];
    struct stat status;
    (void)snprintf(path, sizeof(path), "%s/backup%s", server.directory, name);
    return stat(path, &status) == 0;
}

static void a_backup_is_a_database_with_the_data_of_its_time(void **state) {
    struct own_server *own = *state;
    expect_text(connection, "OK", "SET saved then");
    expect_text(connection, "OK", "SAVE");
    expect_text(connection, "OK", "SET saved later");
    assert_true(exists_in_backup("/CURRENT"));
    assert_false(exists_in_backup(".tmp"));
    assert_false(exists_in_backup(".old"));

    char move[512];
    server_stop(&own->server);
    (void)snprintf(move, sizeof(move), "rm -rf %s/db && cp -r %s/backup %s/db", own->server.directory,
                   server.directory, own->server.directory);
    assert_int_equal(system(move), 0);
    own_server_restart(own);
    expect_text(own->client, "then", "GET saved");
}

static void a_new_backup_takes_the_place_of_the_old_one(void **state) {
    (void)state;
    expect_text(connection, "OK", "SAVE");
    long long before = server_info_number(connection, "persistence", "last_bgsave_time");
    expect_integer(connection, before, "LASTSAVE");
    expect_text(connection, "Background saving started", "BGSAVE");
    wait_until(no_backup_is_running, connection, 20, "the backup is made");
    expect_text(connection, "Background saving started", "BGSAVE SCHEDULE");
    wait_until(no_backup_is_running, connection, 20, "the backup is made");
    assert_true(server_info_number(connection, "persistence", "last_bgsave_time") >= before);
    assert_true(exists_in_backup("/CURRENT"));
    assert_false(exists_in_backup(".old"));
    expect_error(connection, "ERR syntax error", "BGSAVE NOW");
}

static void backups_can_be_deleted(void **state) {
    (void)state;
    expect_text(connection, "OK", "SAVE");
    expect_text(connection, "OK", "FLUSHBACKUP");
    wait_until(no_backup_is_running, connection, 20, "the backup is deleted");
    assert_false(exists_in_backup(""));
}

// A wrong backup-dir must not cost an operator other files.
static void a_directory_with_other_files_is_not_taken_for_a_backup(void **state) {
    struct own_server *own = *state;
    char path[256];
    expect_text(own->client, "OK", "SAVE");
    (void)snprintf(path, sizeof(path), "%s/backup/letter", own->server.directory);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    expect_text(own->client, "OK", "FLUSHBACKUP");
    wait_until(no_backup_is_running, own->client, 20, "the backup is deleted");
    assert_int_equal(access(path, F_OK), 0);
    server_wait_log(&own->server, "there is more in the directory than a backup");
}

static void a_backup_that_cannot_be_made_is_told(void **state) {
    struct own_server *own = *state;
    expect_error(own->client, "ERR The backup could not be made", "SAVE");
    redisReply *reply = command(own->client, "INFO persistence");
    assert_non_null(strstr(reply->str, "last_bgsave_status:err"));
    freeReplyObject(reply);
    expect_text(own->client, "PONG", "PING");
}

// --- SHUTDOWN ---

static void shutdown_ends_the_process_and_keeps_the_data(void **state) {
    struct own_server *own = *state;
    static const char *const forms[] = {"SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN SAVE NOW FORCE"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        expect_text(own->client, "OK", "SET kept %d", (int)i);
        assert_null(redisCommand(own->client, forms[i]));
        assert_int_equal(own->client->err, REDIS_ERR_EOF); // closed, without a reply
        assert_int_equal(server_wait_exit(&own->server), 0);
        own_server_restart(own);
        char wanted[8];
        (void)snprintf(wanted, sizeof(wanted), "%d", (int)i);
        expect_text(own->client, wanted, "GET kept");
    }
}

// Workers look at each other's counters and wait for backups while all of that is being closed.
static void shutdown_while_others_work_ends_cleanly(void **state) {
    struct own_server *own = *state;
    enum { OTHERS = 8, COMMANDS = 100 };
    redisContext *others[OTHERS];
    for (size_t i = 0; i < OTHERS; i++) {
        int done = 0;
        others[i] = server_connect(&own->server);
        for (int n = 0; n < COMMANDS; n++)
            assert_int_equal(redisAppendCommand(others[i], n % 10 == 9 ? "SAVE" : "INFO"), REDIS_OK);
        while (done == 0)
            assert_int_equal(redisBufferWrite(others[i], &done), REDIS_OK);
    }
    assert_null(redisCommand(own->client, "SHUTDOWN"));
    assert_int_equal(server_wait_exit(&own->server), 0);
    for (size_t i = 0; i < OTHERS; i++)
        redisFree(others[i]);
}

static void shutdown_refuses_what_it_does_not_understand(void **state) {
    (void)state;
    expect_error(connection, "ERR syntax error", "SHUTDOWN SOON");
    expect_error(connection, "ERR syntax error", "SHUTDOWN SAVE NOSAVE");
    expect_error(connection, "ERR syntax error", "SHUTDOWN ABORT NOW");
    expect_error(connection, "ERR No shutdown in progress.", "SHUTDOWN ABORT");
}

// --- Slow log ---

static void slow_commands_are_noted_newest_first(void **state) {
    (void)state;
    expect_text(connection, "OK", "CLIENT SETNAME sloth");
    expect_text(connection, "OK", "SLOWLOG RESET");
    expect_text(connection, "OK", "CONFIG SET slowlog-log-slower-than 0");
    expect_text(connection, "OK", "SET slow 1");
    expect_text(connection, "1", "GET slow");
    expect_error(connection, "ERR AUTH", "AUTH hush");
    expect_text(connection, "OK", "CONFIG SET slowlog-log-slower-than -1");
    expect_integer(connection, 2, "SLOWLOG LEN");
    redisReply *reply = command(connection, "SLOWLOG GET");
    assert_int_equal(reply->elements, 2);
    const redisReply *newest = reply->element[0];
    assert_int_equal(newest->elements, 6);
    assert_true(newest->element[0]->integer > reply->element[1]->element[0]->integer);
    assert_in_range(newest->element[1]->integer, time(NULL) - 60, time(NULL));
    assert_int_equal(newest->element[3]->elements, 2);
    assert_string_equal(newest->element[3]->element[0]->str, "GET");
    assert_int_equal(strncmp(newest->element[4]->str, "127.0.0.1:", 10), 0);
    assert_string_equal(newest->element[5]->str, "sloth");
    freeReplyObject(reply);
    reply = command(connection, "SLOWLOG GET 1");
    assert_int_equal(reply->elements, 1);
    freeReplyObject(reply);
    reply = command(connection, "SLOWLOG GET -1");
    assert_int_equal(reply->elements, 2);
    freeReplyObject(reply);
    expect_text(connection, "OK", "SLOWLOG RESET");
    expect_integer(connection, 0, "SLOWLOG LEN");
    expect_text(connection, "OK", "CONFIG SET slowlog-log-slower-than 200000");
}

static void the_slow_log_refuses_what_it_does_not_understand(void **state) {
    (void)state;
    expect_error(connection, "ERR count should be greater than or equal to -1", "SLOWLOG GET -2");
    expect_error(connection, "ERR count should be greater than or equal to -1", "SLOWLOG GET few");
    expect_error(connection,
                 "ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.",
                 "SLOWLOG GET 1 2");
}

// --- Latency ---

static void spikes_are_told_and_forgotten(void **state) {
    (void)state;
    redisReply *reply = command(connection, "LATENCY DOCTOR");
    assert_non_null(strstr(reply->str, "latency-monitor-threshold"));
    freeReplyObject(reply);
    expect_text(connection, "OK", "CONFIG SET latency-monitor-threshold 20");
    expect_text(connection, "OK", "DEBUG SLEEP 0.05");
    reply = command(connection, "LATENCY LATEST");
    assert_int_equal(reply->elements, 1);
    assert_string_equal(reply->element[0]->element[0]->str, "command");
    assert_true(reply->element[0]->element[2]->integer >= 50);
    assert_true(reply->element[0]->element[3]->integer >= 50);
    freeReplyObject(reply);
    reply = command(connection, "LATENCY HISTORY command");
    assert_int_equal(reply->elements, 1);
    assert_in_range(reply->element[0]->element[0]->integer, time(NULL) - 60, time(NULL));
    freeReplyObject(reply);
    reply = command(connection, "LATENCY GRAPH command");
    assert_int_equal(strncmp(reply->str, "command - high ", 15), 0);
    freeReplyObject(reply);
    reply = command(connection, "LATENCY DOCTOR");
    assert_non_null(strstr(reply->str, "1. command: the newest spike took"));
    freeReplyObject(reply);
    expect_integer(connection, 0, "LATENCY RESET nosuch");
    expect_integer(connection, 1, "LATENCY RESET");
    expect_error(connection, "ERR No samples available for event 'command'", "LATENCY GRAPH command");
    expect_text(connection, "OK", "CONFIG SET latency-monitor-threshold 0");
}

// The sums of counts in a command's histogram never fall and end at its calls.
static void run_times_are_told_as_histograms(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++)
        expect_text(connection, "x", "ECHO x");
    redisReply *reply = command(connection, "LATENCY HISTOGRAM echo nosuch");
    assert_int_equal(reply->elements, 2);
    assert_string_equal(reply->element[0]->str, "echo");
    const redisReply *histogram = reply->element[1];
    assert_int_equal(histogram->element[1]->integer, 10);
    const redisReply *buckets = histogram->element[3];
    for (size_t i = 2; i < buckets->elements; i += 2) {
        assert_true(buckets->element[i]->integer > buckets->element[i - 2]->integer);
        assert_true(buckets->element[i + 1]->integer > buckets->element[i - 1]->integer);
    }
    assert_int_equal(buckets->element[buckets->elements - 1]->integer, 10);
    freeReplyObject(reply);
    freeReplyObject(command(connection, "CLIENT GETNAME"));
    reply = command(connection, "LATENCY HISTOGRAM client");
    assert_non_null(strstr(reply->element[0]->str, "client|"));
    freeReplyObject(reply);
}

// --- Memory ---

static void the_use_of_a_key_grows_with_its_value(void **state) {
    (void)state;
    expect_null(connection, "MEMORY USAGE nosuch");
    expect_null(connection, "DISK USAGE nosuch");
    expect_text(connection, "OK", "SET small x");
    expect_integer(connection, 1001, "SETRANGE big 1000 x");
    redisReply *small = command(connection, "MEMORY USAGE small SAMPLES 5");
    redisReply *big = command(connection, "MEMORY USAGE big");
    assert_true(small->integer > 6);
    assert_int_equal(big->integer - small->integer,
                     1000 + (long long)strlen("big") - (long long)strlen("small"));
    expect_integer(connection, big->integer, "DISK USAGE big");
    freeReplyObject(small);
    freeReplyObject(big);
    expect_error(connection, "ERR syntax error", "MEMORY USAGE big SAMPLES");
    expect_error(connection, "ERR value is not an integer", "MEMORY USAGE big SAMPLES few");
}

static void memory_is_described(void **state) {
    (void)state;
    redisReply *reply = command(connection, "MEMORY STATS");
    assert_int_equal(reply->elements % 2, 0);
    assert_string_equal(reply->element[2]->str, "total.allocated");
    assert_int_equal(reply->element[3]->type, REDIS_REPLY_INTEGER);
    freeReplyObject(reply);
    expect_text(connection, "OK", "MEMORY PURGE");
    reply = command(connection, "MEMORY MALLOC-STATS");
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    freeReplyObject(reply);
    reply = command(connection, "MEMORY DOCTOR");
    assert_true(reply->len > 0);
    freeReplyObject(reply);
}

// --- DEBUG ---

static void debug_helps_tests(void **state) {
    (void)state;
    expect_text(connection, "OK", "DEBUG SLEEP 0");
    expect_error(connection, "ERR value is not a valid float", "DEBUG SLEEP long");
    expect_text(connection, "OK", "DEBUG SET-ACTIVE-EXPIRE 0");
    expect_error(connection, "ERR no such key", "DEBUG OBJECT nosuch");
    expect_text(connection, "OK", "SET debugged x");
    redisReply *reply = command(connection, "DEBUG OBJECT debugged");
    assert_non_null(strstr(reply->str, "encoding:raw serializedlength:"));
    freeReplyObject(reply);
    expect_text(connection, "Hello World", "DEBUG PROTOCOL string");
    expect_integer(connection, 1, "DEBUG PROTOCOL true");
    expect_null(connection, "DEBUG PROTOCOL null");
    expect_error(connection, "ERR Wrong protocol type name", "DEBUG PROTOCOL colour");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_is_the_clock),
        cmocka_unit_test(role_is_master_at_the_latest_sequence),
        cmocka_unit_test(lolwut_tells_the_versions),
        cmocka_unit_test(the_database_can_be_compacted_and_flushed),
        own_server_test(a_backup_is_a_database_with_the_data_of_its_time, ""),
        cmocka_unit_test(a_new_backup_takes_the_place_of_the_old_one),
        cmocka_unit_test(backups_can_be_deleted),
        own_server_test(a_directory_with_other_files_is_not_taken_for_a_backup, ""),
        own_server_test(a_backup_that_cannot_be_made_is_told, "backup-dir /proc/no-such-place/backup"),
        own_server_test(shutdown_ends_the_process_and_keeps_the_data, ""),
        own_server_test(shutdown_while_others_work_ends_cleanly, ""),
        cmocka_unit_test(shutdown_refuses_what_it_does_not_understand),
        cmocka_unit_test(slow_commands_are_noted_newest_first),
        cmocka_unit_test(the_slow_log_refuses_what_it_does_not_understand),
        cmocka_unit_test(spikes_are_told_and_forgotten),
        cmocka_unit_test(run_times_are_told_as_histograms),
        cmocka_unit_test(the_use_of_a_key_grows_with_its_value),
        cmocka_unit_test(memory_is_described),
        cmocka_unit_test(debug_helps_tests),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
