// SPDX-License-Identifier: Apache-2.0
//
// The configuration as its readers see it: defaults, files, command lines, the checks at start, CONFIG GET.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/config.h"
#include "server/config_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char error[CONFIG_ERROR_SIZE];

static int open_config(void **state) {
    *state = config_open();
    error[0] = '\0';
    return 0;
}

static int close_config(void **state) {
    config_close(*state);
    return 0;
}

static bool load(struct config *config, const char *text) {
    return config_load_text(config, "some.conf", bytes_from_text(text), error);
}

static void assert_loads(struct config *config, const char *text) {
    if (!load(config, text))
        fail_msg("%s", error);
}

static void assert_refused(struct config *config, const char *text, const char *words) {
    assert_false(load(config, text));
    assert_string_equal(error, words);
}

static void assert_text(const struct config *config, enum config_id id, const char *expected) {
    char *text = config_text_copy(config, id);
    assert_string_equal(text, expected);
    free(text);
}

// --- defaults ---

static void without_a_file_the_defaults_are_those_of_kvrocks(void **state) {
    struct config *config = *state;
    assert_int_equal(config_integer(config, CONFIG_PORT), 6666);
    assert_int_equal(config_integer(config, CONFIG_WORKERS), 8);
    assert_int_equal(config_integer(config, CONFIG_MAXCLIENTS), 10240);
    assert_int_equal(config_integer(config, CONFIG_SLOWLOG_LOG_SLOWER_THAN), 200000);
    assert_int_equal(config_integer(config, CONFIG_UNIXSOCKETPERM), 0777);
    assert_int_equal(config_integer(config, CONFIG_PROTO_MAX_BULK_LEN), 512 << 20);
    assert_int_equal(config_choice(config, CONFIG_LOG_LEVEL), 1);
    assert_true(config_yes(config, CONFIG_RESP3_ENABLED));
    assert_false(config_yes(config, CONFIG_ROCKSDB_WRITE_OPTIONS_SYNC));
    assert_text(config, CONFIG_DIR, "/tmp/kvrocks");
    assert_text(config, CONFIG_REQUIREPASS, "");
}

static void the_default_output_limits_are_those_of_redis(void **state) {
    struct config *config = *state;
    struct output_limit normal = config_output_limit(config, CLIENT_CLASS_NORMAL);
    struct output_limit replica = config_output_limit(config, CLIENT_CLASS_REPLICA);
    struct output_limit pubsub = config_output_limit(config, CLIENT_CLASS_PUBSUB);
    assert_int_equal(normal.hard_bytes + normal.soft_bytes + normal.soft_seconds, 0);
    assert_int_equal(replica.hard_bytes, 256 << 20);
    assert_int_equal(replica.soft_bytes, 64 << 20);
    assert_int_equal(replica.soft_seconds, 60);
    assert_int_equal(pubsub.hard_bytes, 32 << 20);
    assert_int_equal(pubsub.soft_bytes, 8 << 20);
}

static void every_name_is_unique_and_every_default_is_valid(void **state) {
    (void)state;
    for (int i = 0; i < CONFIG_COUNT; i++) {
        enum config_id found = CONFIG_COUNT;
        assert_true(directive_find(bytes_from_text(config_name((enum config_id)i)), &found));
        assert_int_equal(found, i);
        struct config_value value = config_value_default(directive_at((enum config_id)i));
        config_value_release(&value);
    }
}

static void paths_follow_dir_unless_they_are_said(void **state) {
    struct config *config = *state;
    assert_loads(config, "dir /data\nbackup-dir /elsewhere\n");
    assert_text(config, CONFIG_PIDFILE, "/data/kvrocks.pid");
    assert_text(config, CONFIG_LOG_DIR, "/data");
    assert_text(config, CONFIG_BACKUP_DIR, "/elsewhere");
}

static void bind_is_the_loopback_unless_a_unix_socket_is_there(void **state) {
    struct config *config = *state;
    assert_loads(config, "");
    assert_text(config, CONFIG_BIND, "127.0.0.1");
    assert_loads(config, "unixsocket /tmp/some.sock");
    assert_text(config, CONFIG_BIND, "");
    assert_loads(config, "bind 10.0.0.1  ::1");
    assert_text(config, CONFIG_BIND, "10.0.0.1  ::1");
}

// --- files ---

static void names_are_read_in_any_case_and_later_lines_win(void **state) {
    struct config *config = *state;
    assert_loads(config, "port 1\n# port 2\n  PORT \t 3  # and a comment\r\n");
    assert_int_equal(config_integer(config, CONFIG_PORT), 3);
}

static void a_line_without_a_value_leaves_the_default(void **state) {
    struct config *config = *state;
    assert_loads(config, "port\nport \"\"\nport # 5\n\n   \n#\n");
    assert_int_equal(config_integer(config, CONFIG_PORT), 6666);
}

static void an_unknown_directive_is_an_error_with_file_line_and_name(void **state) {
    assert_refused(*state, "port 1\n\nprot 6666\n", "some.conf, line 3: unknown directive 'prot'");
}

static void a_bad_value_is_an_error_that_says_what_is_allowed(void **state) {
    struct config *config = *state;
    assert_refused(
        config, "port 65536",
        "some.conf, line 1: bad value '65536' for 'port': argument must be between 0 and 65535 inclusive");
    assert_refused(
        config, "workers many",
        "some.conf, line 1: bad value 'many' for 'workers': argument couldn't be parsed into an integer");
    assert_refused(config, "daemonize maybe",
                   "some.conf, line 1: bad value 'maybe' for 'daemonize': argument must be 'yes' or 'no'");
    assert_refused(config, "log-level loud",
                   "some.conf, line 1: bad value 'loud' for 'log-level': argument(s) must be one of the "
                   "following: debug, info, warning, error, fatal");
    assert_refused(config, "unixsocketperm 1000",
                   "some.conf, line 1: bad value '1000' for 'unixsocketperm': argument must be between 1 and "
                   "777 inclusive");
    assert_refused(config, "unixsocketperm 778",
                   "some.conf, line 1: bad value '778' for 'unixsocketperm': argument couldn't be parsed as "
                   "an octal number");
    assert_refused(config, "proto-max-bulk-len 1x",
                   "some.conf, line 1: bad value '1x' for 'proto-max-bulk-len': argument must be a memory "
                   "value");
    assert_refused(config, "appendonly yes",
                   "some.conf, line 1: bad value 'yes' for 'appendonly': argument(s) must be one of the "
                   "following: no");
}

static void the_end_of_a_number_is_not_ignored(void **state) {
    struct config *config = *state;
    assert_false(load(config, "port 1 2"));
    assert_false(load(config, "port 0x10"));
    assert_false(load(config, "timeout 9223372036854775808"));
    assert_false(load(config, "proto-max-bulk-len 9999999tb"));
}

// Parts of replication wait for a multiple of them, in milliseconds of an int.
static void replication_waits_for_a_time_that_has_an_end(void **state) {
    struct config *config = *state;
    static const char *const names[] = {"replication-connect-timeout-ms", "replication-recv-timeout-ms"};
    for (size_t i = 0; i < 2; i++) {
        char text[96];
        (void)snprintf(text, sizeof(text), "%s 0", names[i]);
        assert_false(load(config, text));
        assert_non_null(strstr(error, "argument must be between 1 and 3600000 inclusive"));
        (void)snprintf(text, sizeof(text), "%s 3600001", names[i]);
        assert_false(load(config, text));
        assert_non_null(strstr(error, "argument must be between 1 and 3600000 inclusive"));
        (void)snprintf(text, sizeof(text), "%s 3600000", names[i]);
        assert_loads(config, text);
    }
}

static void units_of_memory_are_powers_of_1024(void **state) {
    struct config *config = *state;
    // RocksDB refuses values of 4 GiB without a word, and a string's length must fit into an int.
    assert_false(load(config, "proto-max-bulk-len 2gb"));
    assert_loads(config, "proto-max-bulk-len 2147482624");
    assert_int_equal(config_integer(config, CONFIG_PROTO_MAX_BULK_LEN), 2147482624);
    assert_loads(config, "proto-max-bulk-len 1G");
    assert_int_equal(config_integer(config, CONFIG_PROTO_MAX_BULK_LEN), 1 << 30);
    assert_loads(config, "proto-max-bulk-len 64mb");
    assert_int_equal(config_integer(config, CONFIG_PROTO_MAX_BULK_LEN), 64 << 20);
    assert_loads(config, "proto-max-bulk-len 2048K");
    assert_int_equal(config_integer(config, CONFIG_PROTO_MAX_BULK_LEN), 2 << 20);
}

static void an_octal_permission_may_begin_with_zero(void **state) {
    struct config *config = *state;
    assert_loads(config, "unixsocketperm 0700");
    assert_int_equal(config_integer(config, CONFIG_UNIXSOCKETPERM), 0700);
}

static void a_class_that_is_not_named_keeps_its_output_limit(void **state) {
    struct config *config = *state;
    assert_loads(config, "client-output-buffer-limit normal 1mb 512kb 10\n"
                         "client-output-buffer-limit slave 1g 0 0 pubsub 0 0 0\n");
    struct output_limit normal = config_output_limit(config, CLIENT_CLASS_NORMAL);
    assert_int_equal(normal.hard_bytes, 1 << 20);
    assert_int_equal(normal.soft_bytes, 512 << 10);
    assert_int_equal(normal.soft_seconds, 10);
    assert_int_equal(config_output_limit(config, CLIENT_CLASS_REPLICA).hard_bytes, 1 << 30);
    assert_int_equal(config_output_limit(config, CLIENT_CLASS_PUBSUB).hard_bytes, 0);
}

static void renamed_commands_add_up(void **state) {
    struct config *config = *state;
    assert_loads(config, "rename-command GET HOLEN\nrename-command KEYS \"\"\n");
    assert_text(config, CONFIG_RENAME_COMMAND, "GET HOLEN\nKEYS \"\"");
    assert_false(load(config, "rename-command GET"));
    assert_false(load(config, "rename-command GET A B"));
}

static void a_line_that_cannot_be_read_is_not_shown(void **state) {
    assert_refused(*state, "requirepass \"secret", "some.conf, line 1: the line ends inside a quoted value");
    assert_refused(*state, "requirepass \"secret\" word",
                   "some.conf, line 1: there is text behind the closing quote");
}

static void a_file_is_read_from_disk_and_its_path_is_kept(void **state) {
    struct config *config = *state;
    char path[] = "/tmp/kvfence-test-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "port 7777\n", 10), 10);
    assert_int_equal(close(fd), 0);
    assert_null(config_path(config));
    assert_true(config_load_file(config, path, error));
    assert_int_equal(config_integer(config, CONFIG_PORT), 7777);
    assert_string_equal(config_path(config), path);
    assert_int_equal(unlink(path), 0);
}

static void a_missing_file_is_an_error_that_names_it(void **state) {
    assert_false(config_load_file(*state, "/nonexistent/some.conf", error));
    assert_string_equal(error, "/nonexistent/some.conf: No such file or directory");
}

static void a_directory_is_not_a_file(void **state) {
    assert_false(config_load_file(*state, "/tmp", error));
    assert_string_equal(error, "/tmp: Is a directory");
}

// --- command line ---

static bool load_arguments(struct config *config, const char *const *words) {
    char *arguments[16] = {0};
    int count = 0;
    for (; words[count] != NULL; count++)
        arguments[count] = strdup(words[count]);
    bool right = config_load_arguments(config, count, arguments, error);
    for (int i = 0; i < count; i++)
        free(arguments[i]);
    return right;
}

static void command_line_pairs_win_over_the_file(void **state) {
    struct config *config = *state;
    assert_loads(config, "port 1\nrequirepass old\n");
    const char *const words[] = {"--port", "2", "--bind", "127.0.0.1", "::1", "--requirepass", "a # b", NULL};
    assert_true(load_arguments(config, words));
    assert_int_equal(config_integer(config, CONFIG_PORT), 2);
    assert_text(config, CONFIG_BIND, "127.0.0.1 ::1");
    assert_text(config, CONFIG_REQUIREPASS, "a # b");
}

static void an_empty_argument_empties_a_text_or_removes_a_command(void **state) {
    struct config *config = *state;
    assert_loads(config, "requirepass old\n");
    const char *const words[] = {"--requirepass", "", "--rename-command", "KEYS", "", NULL};
    assert_true(load_arguments(config, words));
    assert_text(config, CONFIG_REQUIREPASS, "");
    assert_text(config, CONFIG_RENAME_COMMAND, "KEYS \"\"");
}

static void wrong_command_lines_are_told(void **state) {
    struct config *config = *state;
    const char *const no_name[] = {"port", "2", NULL};
    assert_false(load_arguments(config, no_name));
    assert_string_equal(error, "command line: 'port' is not a directive: those begin with --");
    const char *const no_value[] = {"--port", "--bind", "::1", NULL};
    assert_false(load_arguments(config, no_value));
    assert_string_equal(error, "command line: --port needs a value");
    const char *const unknown[] = {"--prot", "2", NULL};
    assert_false(load_arguments(config, unknown));
    assert_string_equal(error, "command line: unknown directive 'prot'");
    const char *const bad[] = {"--slowlog-log-slower-than", "-2", NULL};
    assert_false(load_arguments(config, bad));
    assert_string_equal(error, "command line: bad value '-2' for 'slowlog-log-slower-than': argument must be "
                               "between -1 and 2147483647 inclusive");
}

// --- checks at start ---

static void assert_invalid(struct config *config, const char *text, const char *words) {
    assert_loads(config, text);
    assert_false(config_validate(config, error));
    assert_string_equal(error, words);
}

static void the_defaults_are_valid(void **state) {
    assert_loads(*state, "");
    assert_true(config_validate(*state, error));
}

static void what_would_be_dangerous_to_ignore_is_refused(void **state) {
    struct config *config = *state;
    assert_invalid(config, "tls-port 6667", "'tls-port' is set to '6667', which is not supported yet");
    assert_refused(config, "namespace.tenant token",
                   "some.conf, line 1: 'namespace.tenant': namespaces are not supported yet");
}

static void a_name_that_kvrocks_2_9_had_loads(void **state) {
    assert_loads(*state, "rocksdb.max_sub_compactions 2");
    assert_true(config_validate(*state, error));
}

static void nodes_and_replicas_must_listen_where_others_can_reach_them(void **state) {
    struct config *config = *state;
    assert_invalid(config, "unixsocket /tmp/a\nbind \"\"\ncluster-enabled yes",
                   "'cluster-enabled' needs an address in 'bind' and a 'port'");
    assert_invalid(config, "bind 127.0.0.1\nport 0",
                   "'cluster-enabled' needs an address in 'bind' and a 'port'");
    assert_invalid(config, "cluster-enabled no\nreplicaof 10.0.0.1 6666",
                   "'slaveof' needs an address in 'bind' and a 'port'");
    assert_loads(config, "port 6666\ncluster-enabled yes\n");
    assert_true(config_validate(config, error));
}

static void a_master_must_have_a_host_and_a_port(void **state) {
    static const char words[] = "some.conf, line 1: bad value '%s' for 'slaveof': %s";
    char expected[CONFIG_ERROR_SIZE];
    (void)snprintf(expected, sizeof(expected), words, "host",
                   "argument must be a host and a port, or no one");
    assert_refused(*state, "slaveof host", expected);
    (void)snprintf(expected, sizeof(expected), words, "host 65536",
                   "the port must be between 1 and 65535 inclusive");
    assert_refused(*state, "slaveof host 65536", expected);
}

static void slaveof_no_one_is_tolerated(void **state) {
    assert_loads(*state, "slaveof host 1\nslaveof NO  ONE\n");
    assert_true(config_validate(*state, error));
}

static void level0_triggers_must_be_in_order(void **state) {
    assert_loads(*state, "rocksdb.level0_slowdown_writes_trigger 50");
    assert_false(config_validate(*state, error));
    assert_non_null(strstr(error, "level0_slowdown_writes_trigger (50)"));
}

static void a_server_that_listens_nowhere_is_refused(void **state) {
    const char *const words[] = {"--bind", "", NULL};
    assert_true(load_arguments(*state, words));
    assert_false(config_validate(*state, error));
    assert_string_equal(error, "neither 'bind' nor 'unixsocket' names an address");
}

static void a_socket_path_that_does_not_fit_is_refused(void **state) {
    char line[200] = "unixsocket /";
    memset(line + 12, 'x', 120);
    assert_loads(*state, line);
    assert_false(config_validate(*state, error));
    assert_string_equal(error, "the path of 'unixsocket' is longer than 107 bytes");
}

static void note_name(void *context, const char *name) {
    buffer_append_format(context, "%s;", name);
}

static void settings_without_effect_are_listed_when_they_are_changed(void **state) {
    struct config *config = *state;
    struct buffer names = {0};
    assert_loads(config, "migrate-speed 4096\nport 1\nbgsave-cron 0 4 * * *\ndbsize-scan-cron 0 5 * * *\n");
    config_each_without_effect(config, note_name, &names);
    buffer_append(&names, (struct bytes){"", 1});
    assert_string_equal(names.data, "bgsave-cron;dbsize-scan-cron;");
    buffer_release(&names);
}

// --- CONFIG GET ---

static void note_pair(void *context, const char *name, struct bytes value) {
    buffer_append_format(context, "%s=%.*s;", name, (int)value.length, value.data);
}

static void assert_got(const struct config *config, const char *pattern, const char *expected) {
    struct buffer pairs = {0};
    config_get(config, bytes_from_text(pattern), note_pair, &pairs);
    buffer_append(&pairs, (struct bytes){"", 1});
    assert_string_equal(pairs.data, expected);
    buffer_release(&pairs);
}

static void the_server_notes_down_a_master_that_no_client_may_set(void **state) {
    struct config *config = *state;
    const struct bytes pair[] = {BYTES_LITERAL("slaveof"), BYTES_LITERAL("10.0.0.1 1")};
    assert_false(config_set(config, pair, 1, error));
    config_note(config, CONFIG_SLAVEOF, BYTES_LITERAL("10.0.0.1 6666"));
    assert_got(config, "slaveof", "slaveof=10.0.0.1 6666;");
    config_note(config, CONFIG_SLAVEOF, BYTES_LITERAL(""));
    assert_got(config, "slaveof", "slaveof=;");
}

static void patterns_find_names_in_any_case(void **state) {
    struct config *config = *state;
    assert_got(config, "P[o]RT", "port=6666;");
    assert_got(config, "slowlog-m*", "slowlog-max-len=128;");
    assert_got(config, "nothing", "");
    assert_got(config, "unixsocketperm", "unixsocketperm=777;");
    assert_got(config, "daemonize", "daemonize=no;");
    assert_got(config, "log-level", "log-level=info;");
    assert_got(config, "rocksdb.ttl", "rocksdb.ttl=18446744073709551614;");
    assert_got(
        config, "client-output-buffer-limit",
        "client-output-buffer-limit=normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60;");
}

static void what_redis_benchmark_asks_for_is_answered(void **state) {
    assert_got(*state, "save", "save=;");
    assert_got(*state, "appendonly", "appendonly=no;");
}

static void renamed_commands_are_got_one_by_one(void **state) {
    assert_got(*state, "rename-command", "");
    assert_loads(*state, "rename-command A B\nrename-command C D\n");
    assert_got(*state, "rename-command", "rename-command=A B;rename-command=C D;");
}

static void newer_names_are_answered_too(void **state) {
    assert_loads(*state, "replica-priority 7\n");
    assert_got(*state, "*-priority", "slave-priority=7;replica-priority=7;");
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, open_config, close_config)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(without_a_file_the_defaults_are_those_of_kvrocks),
        CASE(the_default_output_limits_are_those_of_redis),
        CASE(every_name_is_unique_and_every_default_is_valid),
        CASE(paths_follow_dir_unless_they_are_said),
        CASE(bind_is_the_loopback_unless_a_unix_socket_is_there),
        CASE(names_are_read_in_any_case_and_later_lines_win),
        CASE(a_line_without_a_value_leaves_the_default),
        CASE(an_unknown_directive_is_an_error_with_file_line_and_name),
        CASE(a_bad_value_is_an_error_that_says_what_is_allowed),
        CASE(the_end_of_a_number_is_not_ignored),
        CASE(replication_waits_for_a_time_that_has_an_end),
        CASE(units_of_memory_are_powers_of_1024),
        CASE(an_octal_permission_may_begin_with_zero),
        CASE(a_class_that_is_not_named_keeps_its_output_limit),
        CASE(renamed_commands_add_up),
        CASE(a_line_that_cannot_be_read_is_not_shown),
        CASE(a_file_is_read_from_disk_and_its_path_is_kept),
        CASE(a_missing_file_is_an_error_that_names_it),
        CASE(a_directory_is_not_a_file),
        CASE(command_line_pairs_win_over_the_file),
        CASE(an_empty_argument_empties_a_text_or_removes_a_command),
        CASE(wrong_command_lines_are_told),
        CASE(the_defaults_are_valid),
        CASE(what_would_be_dangerous_to_ignore_is_refused),
        CASE(a_name_that_kvrocks_2_9_had_loads),
        CASE(a_master_must_have_a_host_and_a_port),
        CASE(slaveof_no_one_is_tolerated),
        CASE(nodes_and_replicas_must_listen_where_others_can_reach_them),
        CASE(the_server_notes_down_a_master_that_no_client_may_set),
        CASE(level0_triggers_must_be_in_order),
        CASE(a_server_that_listens_nowhere_is_refused),
        CASE(a_socket_path_that_does_not_fit_is_refused),
        CASE(settings_without_effect_are_listed_when_they_are_changed),
        CASE(patterns_find_names_in_any_case),
        CASE(what_redis_benchmark_asks_for_is_answered),
        CASE(renamed_commands_are_got_one_by_one),
        CASE(newer_names_are_answered_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
