// SPDX-License-Identifier: Apache-2.0
//
// INFO: sections, fields and that the numbers are right.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_fixture.h"
#include "texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct test_server server;
static redisContext *connection;
static const struct shared_server servers[] = {{&server, NULL, {&connection}}};

// INFO's text for up to four words, malloc'ed.
static char *info(const char *words) {
    const char *arguments[5] = {"INFO"};
    int count = 1;
    char copy[128];
    (void)snprintf(copy, sizeof(copy), "%s", words);
    for (char *rest = copy, *word = NULL; count < 5 && (word = strtok_r(rest, " ", &rest)) != NULL;)
        arguments[count++] = word;
    redisReply *reply = redisCommandArgv(connection, count, arguments, NULL);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    char *text = strdup(reply->str);
    assert_non_null(text);
    freeReplyObject(reply);
    return text;
}

static size_t count_in(const char *text, const char *word) {
    size_t count = 0;
    for (; (text = strstr(text, word)) != NULL; text += strlen(word))
        count++;
    return count;
}

// --- Shape ---

static void all_sections_come_in_order(void **state) {
    (void)state;
    static const char *const headings[] = {"# Server\r\n",         "\r\n\r\n# Clients\r\n",
                                           "\r\n\r\n# Memory\r\n", "\r\n\r\n# Persistence\r\n",
                                           "\r\n\r\n# Stats\r\n",  "\r\n\r\n# Replication\r\n",
                                           "\r\n\r\n# CPU\r\n",    "\r\n\r\n# Commandstats\r\n",
                                           "\r\n# Errorstats\r\n", "\r\n# Cluster\r\n",
                                           "\r\n\r\n# Lease\r\n",  "\r\n\r\n# Keyspace\r\n",
                                           "\r\n\r\n# RocksDB\r\n"};
    static const char *const words[] = {"", "all", "default", "everything", "EVERYTHING"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char *text = info(words[i]);
        EXPECT_IN_ORDER(text, headings);
        assert_int_equal(count_in(text, "# Server\r\n"), 1);
        assert_true(strlen(text) > 4 && strcmp(text + strlen(text) - 4, "\r\n\r\n") != 0);
        free(text);
    }
}

static void sections_are_chosen_by_name_in_any_case(void **state) {
    (void)state;
    char *text = info("rePLICation");
    assert_int_equal(strncmp(text, "# Replication\r\nrole:master\r\n", 28), 0);
    assert_int_equal(count_in(text, "# "), 1);
    free(text);
    text = info("cpu server nosuch cpu");
    assert_int_equal(strncmp(text, "# Server\r\n", 10), 0);
    assert_int_equal(count_in(text, "# "), 2);
    free(text);
    text = info("nosuch");
    assert_string_equal(text, "");
    free(text);
}

// Every line but headings, remarks and the empty ones between sections is "name:value", as scrapers expect.
static void every_line_is_a_name_and_a_value(void **state) {
    (void)state;
    char *text = info("all");
    char *rest = text;
    for (char *end = NULL; (end = strstr(rest, "\r\n")) != NULL; rest = end + 2) {
        *end = '\0';
        if (*rest == '\0' || *rest == '#')
            continue;
        if (strchr(rest, ':') == NULL || strpbrk(rest, "\r\n") != NULL)
            fail_msg("not a field: %s", rest);
    }
    assert_string_equal(rest, "");
    free(text);
}

// --- Fields ---

static void the_server_tells_its_versions(void **state) {
    (void)state;
    static const char *const fields[] = {"\r\nversion:2.10.0\r\n",
                                         "kvrocks_version:2.10.0\r\n",
                                         "redis_version:7.0.15\r\n",
                                         "git_sha1:",
                                         "kvfence_version:",
                                         "redis_mode:standalone\r\n",
                                         "kvrocks_mode:standalone\r\n",
                                         "os:Linux ",
                                         "arch_bits:64\r\n",
                                         "process_id:",
                                         "tcp_port:",
                                         "uptime_in_seconds:",
                                         "uptime_in_days:0\r\n"};
    char *text = info("server");
    EXPECT_IN_ORDER(text, fields);
    free(text);
    assert_int_equal(server_info_number(connection, "server", "tcp_port"), server.port);
    assert_int_equal(server_info_number(connection, "server", "process_id"), server.pid);
}

static void the_controller_finds_role_and_sequence(void **state) {
    (void)state;
    expect_text(connection, "OK", "SET sequenced 1");
    long long before = server_info_number(connection, "keyspace", "sequence");
    expect_text(connection, "OK", "SET sequenced 2");
    assert_int_equal(server_info_number(connection, "keyspace", "sequence"), before + 1);
    assert_int_equal(server_info_number(connection, "replication", "master_repl_offset"), before + 1);
    assert_int_equal(server_info_number(connection, "replication", "connected_slaves"), 0);
}

// redis-cli --stat looks for the first place where the name stands.
static void used_memory_comes_before_the_names_that_start_with_it(void **state) {
    (void)state;
    char *text = info("memory");
    const char *first = strstr(text, "used_memory");
    assert_non_null(first);
    assert_int_equal(strncmp(first, "used_memory:", 12), 0);
    free(text);
    assert_true(server_info_number(connection, "memory", "used_memory") >=
                0); // a sanitizer does not count it
    assert_true(server_info_number(connection, "memory", "used_memory_rss") > 0);
    assert_true(server_info_number(connection, "memory", "used_memory_startup") > 0);
}

static bool has_one_client(void *context) {
    (void)context;
    return server_info_number(connection, "clients", "connected_clients") == 1;
}

static void clients_are_counted(void **state) {
    (void)state;
    long long received = server_info_number(connection, "stats", "total_connections_received");
    redisContext *more[3];
    for (size_t i = 0; i < 3; i++) {
        more[i] = server_connect(&server);
        expect_text(more[i], "PONG", "PING");
    }
    assert_int_equal(server_info_number(connection, "clients", "connected_clients"), 4);
    assert_int_equal(server_info_number(connection, "stats", "total_connections_received"), received + 3);
    for (size_t i = 0; i < 3; i++)
        redisFree(more[i]);
    wait_until(has_one_client, NULL, 10, "the others are gone");
}

static void hits_and_misses_are_counted(void **state) {
    (void)state;
    expect_text(connection, "OK", "SET hit 1");
    long long hits = server_info_number(connection, "stats", "keyspace_hits");
    long long misses = server_info_number(connection, "stats", "keyspace_misses");
    expect_text(connection, "1", "GET hit");
    expect_null(connection, "GET missed");
    expect_null(connection, "GET missed");
    assert_int_equal(server_info_number(connection, "stats", "keyspace_hits"), hits + 1);
    assert_int_equal(server_info_number(connection, "stats", "keyspace_misses"), misses + 2);
}

static void reads_that_rocksdb_was_not_asked_for_are_counted(void **state) {
    (void)state;
    expect_text(connection, "OK", "SET often 1");
    expect_text(connection, "1", "GET often");
    long long before = server_info_number(connection, "stats", "read_cache_hits");
    expect_text(connection, "1", "GET often");
    expect_text(connection, "1", "GET often");
    assert_int_equal(server_info_number(connection, "stats", "read_cache_hits"), before + 2);
}

static bool counts_are_reset(void *context) {
    (void)context;
    char *text = info("commandstats");
    bool reset = strstr(text, "cmdstat_append:") == NULL;
    free(text);
    return reset;
}

static void commands_and_errors_are_counted_until_they_are_reset(void **state) {
    (void)state;
    redisContext *other = server_connect(&server);
    expect_integer(connection, 1, "APPEND counted x");
    expect_integer(other, 2, "APPEND counted x");
    expect_error(connection, "ERR", "INCR counted");
    expect_error(connection, "ERR unknown subcommand", "CLIENT NOSUCH");
    freeReplyObject(command(connection, "CLIENT GETNAME"));
    char *text = info("commandstats errorstats");
    assert_non_null(strstr(text, "cmdstat_append:calls=2,usec="));
    assert_non_null(strstr(text, "cmdstat_incr:calls=1,usec="));
    assert_non_null(strstr(text, ",rejected_calls=0,failed_calls=1\r\n"));
    assert_non_null(strstr(text, "cmdstat_client|getname:calls=1,"));
    assert_non_null(strstr(text, "errorstat_ERR:count="));
    free(text);
    expect_text(connection, "OK", "CONFIG RESETSTAT");
    wait_until(counts_are_reset, NULL, 10, "the counts are reset");
    text = info("errorstats");
    assert_null(strstr(text, "errorstat_ERR"));
    free(text);
    redisFree(other);
}

// The number behind `field` in INFO's line that begins with `line`; 0 if there is no such line.
static long long number_in_line(const char *line, const char *field) {
    char *text = info("commandstats errorstats");
    char *begin = strstr(text, line);
    long long number = 0;
    if (begin != NULL) {
        *strstr(begin, "\r\n") = '\0';
        number = strtoll(text_after(begin, field), NULL, 10);
    }
    free(text);
    return number;
}

static void commands_that_are_refused_before_they_run_are_counted_as_rejected(void **state) {
    (void)state;
    static const struct {
        const char *line, *field;
        int more;
    } rows[] = {{"cmdstat_strlen:", ":calls=", 1},        {"cmdstat_strlen:", ",rejected_calls=", 2},
                {"cmdstat_strlen:", ",failed_calls=", 0}, {"cmdstat_client:", ",rejected_calls=", 1},
                {"cmdstat_save:", ",rejected_calls=", 1}, {"cmdstat_save:", ":calls=", 0},
                {"errorstat_ERR:", "count=", 5}};
    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    long long before[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        before[i] = number_in_line(rows[i].line, rows[i].field);
    expect_error(connection, "ERR wrong number", "STRLEN");
    expect_error(connection, "ERR wrong number", "STRLEN a b");
    expect_integer(connection, 0, "STRLEN nothing");
    expect_error(connection, "ERR wrong number", "CLIENT");
    expect_error(connection, "ERR unknown subcommand", "CLIENT NOSUCH");
    expect_text(connection, "OK", "MULTI");
    expect_error(connection, "ERR SAVE is not allowed in transactions", "SAVE");
    expect_error(connection, "EXECABORT", "EXEC");
    for (size_t i = 0; i < ROWS; i++)
        assert_int_equal(number_in_line(rows[i].line, rows[i].field), before[i] + rows[i].more);
}

static void a_server_of_its_own_is_in_no_cluster(void **state) {
    (void)state;
    assert_int_equal(server_info_number(connection, "cluster", "cluster_enabled"), 0);
}

static void every_column_family_is_described(void **state) {
    (void)state;
    static const char *const families[] = {"default",   "metadata", "zset_score", "pubsub",
                                           "propagate", "stream",   "search"};
    char *text = info("rocksdb");
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        char field[64];
        (void)snprintf(field, sizeof(field), "\r\nestimate_keys[%s]:", families[i]);
        assert_non_null(strstr(text, field));
    }
    assert_non_null(strstr(text, "\r\nis_bgsaving:no\r\n"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sections_come_in_order),
        cmocka_unit_test(sections_are_chosen_by_name_in_any_case),
        cmocka_unit_test(every_line_is_a_name_and_a_value),
        cmocka_unit_test(the_server_tells_its_versions),
        cmocka_unit_test(the_controller_finds_role_and_sequence),
        cmocka_unit_test(used_memory_comes_before_the_names_that_start_with_it),
        cmocka_unit_test(clients_are_counted),
        cmocka_unit_test(hits_and_misses_are_counted),
        cmocka_unit_test(reads_that_rocksdb_was_not_asked_for_are_counted),
        cmocka_unit_test(commands_that_are_refused_before_they_run_are_counted_as_rejected),
        cmocka_unit_test(commands_and_errors_are_counted_until_they_are_reset),
        cmocka_unit_test(a_server_of_its_own_is_in_no_cluster),
        cmocka_unit_test(every_column_family_is_described),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
