// SPDX-License-Identifier: Apache-2.0
//
// CLIENT: what connections are told of themselves and each other, and what they do to each other; MONITOR.
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
static const struct shared_server servers[] = {{&server, NULL, {NULL}}};

static long long id_of(redisContext *connection) {
    redisReply *reply = command(connection, "CLIENT ID");
    long long id = reply->integer;
    freeReplyObject(reply);
    return id;
}

// The value of a field ("flags=") in CLIENT INFO's line, up to the next blank.
static void own_field(redisContext *connection, const char *name, char out[128]) {
    redisReply *reply = command(connection, "CLIENT INFO");
    const char *at = text_after(reply->str, name);
    (void)snprintf(out, 128, "%.*s", (int)strcspn(at, " \n"), at);
    freeReplyObject(reply);
}

static bool is_closed(void *context) {
    redisContext *connection = context;
    redisReply *reply = redisCommand(connection, "PING");
    if (reply != NULL)
        freeReplyObject(reply);
    return reply == NULL;
}

static void wait_closed(redisContext *connection) {
    wait_until(is_closed, connection, 10, "the connection is closed");
}

// --- Telling ---

static void ids_rise_and_are_not_used_again(void **state) {
    (void)state;
    redisContext *first = server_connect(&server);
    long long first_id = id_of(first);
    redisFree(first);
    redisContext *second = server_connect(&server);
    assert_true(id_of(second) > first_id);
    redisFree(second);
}

static void the_line_has_redis_fields_in_redis_order(void **state) {
    (void)state;
    static const char *const fields[] = {
        "id=",         " addr=", " laddr=", " fd=",   " name=",     " age=",    " idle=",      " flags=",
        " db=",        " sub=",  " psub=",  " ssub=", " multi=",    " qbuf=",   " qbuf-free=", " argv-mem=",
        " multi-mem=", " rbs=",  " rbp=",   " obl=",  " oll=",      " omem=",   " tot-mem=",   " events=",
        " cmd=",       " user=", " redir=", " resp=", " lib-name=", " lib-ver="};
    redisContext *connection = server_connect(&server);
    redisReply *reply = command(connection, "CLIENT INFO");
    EXPECT_IN_ORDER(reply->str, fields);
    assert_int_equal(reply->str[reply->len - 1], '\n');
    freeReplyObject(reply);
    redisFree(connection);
}

static void the_line_tells_name_library_and_command(void **state) {
    (void)state;
    char value[128];
    redisContext *connection = server_connect(&server);
    expect_text(connection, "OK", "CLIENT SETNAME painter");
    expect_text(connection, "OK", "CLIENT SETINFO LIB-NAME brush");
    expect_text(connection, "OK", "CLIENT SETINFO lib-ver 1.2.3");
    own_field(connection, "name=", value);
    assert_string_equal(value, "painter");
    own_field(connection, "lib-name=", value);
    assert_string_equal(value, "brush");
    own_field(connection, "lib-ver=", value);
    assert_string_equal(value, "1.2.3");
    own_field(connection, "cmd=", value);
    assert_string_equal(value, "client|info");
    own_field(connection, "resp=", value);
    assert_string_equal(value, "2");
    redisFree(connection);
}

static void the_line_tells_the_protocol(void **state) {
    (void)state;
    static const char hello[] = "HELLO 3 SETNAME modern\r\n";
    char first = 0;
    int fd = server_connect_raw(&server);
    assert_int_equal(write(fd, hello, sizeof(hello) - 1), sizeof(hello) - 1);
    assert_int_equal(read(fd, &first, 1), 1);
    assert_int_equal(first, '%');
    redisContext *connection = server_connect(&server);
    redisReply *reply = command(connection, "CLIENT LIST");
    const char *line = strstr(reply->str, "name=modern");
    assert_non_null(line);
    assert_int_equal(strncmp(strstr(line, "resp="), "resp=3", 6), 0);
    freeReplyObject(reply);
    redisFree(connection);
    assert_int_equal(close(fd), 0);
}

static void names_hold_no_blanks_and_can_be_taken_away(void **state) {
    (void)state;
    redisContext *connection = server_connect(&server);
    expect_null(connection, "CLIENT GETNAME");
    expect_error(connection, "ERR Client names cannot contain spaces, newlines or special characters.",
                 "CLIENT SETNAME %s", "a b");
    expect_error(connection, "ERR Client names cannot", "CLIENT SETNAME %s", "a\nid=1");
    expect_error(connection, "ERR lib-name cannot contain", "CLIENT SETINFO LIB-NAME %s", "a b");
    expect_error(connection, "ERR Unrecognized option 'colour'", "CLIENT SETINFO colour red");
    expect_text(connection, "OK", "CLIENT SETNAME a");
    expect_text(connection, "a", "CLIENT GETNAME");
    expect_text(connection, "OK", "CLIENT SETNAME %s", "");
    expect_null(connection, "CLIENT GETNAME");
    redisFree(connection);
}

static void flags_tell_what_the_connection_is_doing(void **state) {
    (void)state;
    char value[128];
    redisContext *connection = server_connect(&server);
    own_field(connection, "flags=", value);
    assert_string_equal(value, "N");
    expect_text(connection, "OK", "CLIENT NO-EVICT ON");
    expect_text(connection, "OK", "CLIENT NO-TOUCH ON");
    own_field(connection, "flags=", value);
    assert_string_equal(value, "eT");
    expect_text(connection, "OK", "CLIENT NO-EVICT OFF");
    expect_text(connection, "OK", "CLIENT NO-TOUCH OFF");
    expect_error(connection, "ERR syntax error", "CLIENT NO-EVICT maybe");
    own_field(connection, "flags=", value);
    assert_string_equal(value, "N");
    redisContext *other = server_connect(&server);
    expect_text(connection, "OK", "CLIENT SETNAME transactor");
    expect_text(connection, "OK", "MULTI");
    expect_text(connection, "QUEUED", "PING");
    redisReply *reply = command(other, "CLIENT LIST");
    const char *line = strstr(reply->str, "name=transactor");
    assert_non_null(line);
    assert_non_null(strstr(line, "flags=x db=0 sub=0 psub=0 ssub=0 multi=1 "));
    freeReplyObject(reply);
    redisFree(connection);
    redisFree(other);
}

static void list_is_filtered_by_type_and_id(void **state) {
    (void)state;
    redisContext *first = server_connect(&server);
    redisContext *second = server_connect(&server);
    char wanted[64];
    (void)snprintf(wanted, sizeof(wanted), "id=%lld ", id_of(first));
    redisReply *reply = command(second, "CLIENT LIST ID %lld 999999999", id_of(first));
    assert_int_equal(strncmp(reply->str, wanted, strlen(wanted)), 0);
    assert_ptr_equal(strchr(reply->str, '\n'), reply->str + reply->len - 1);
    freeReplyObject(reply);
    expect_text(second, "", "CLIENT LIST TYPE pubsub");
    expect_text(second, "", "CLIENT LIST TYPE replica");
    expect_text(second, "", "CLIENT LIST TYPE master");
    reply = command(second, "CLIENT LIST TYPE NORMAL");
    assert_non_null(strstr(reply->str, wanted));
    freeReplyObject(reply);
    expect_error(second, "ERR Unknown client type 'strange'", "CLIENT LIST TYPE strange");
    expect_error(second, "ERR Invalid client ID", "CLIENT LIST ID 1 x");
    expect_error(second, "ERR syntax error", "CLIENT LIST ID");
    expect_error(second, "ERR syntax error", "CLIENT LIST all");
    redisFree(first);
    redisFree(second);
}

static void tracking_is_off_and_stays_off(void **state) {
    (void)state;
    redisContext *connection = server_connect(&server);
    expect_integer(connection, -1, "CLIENT GETREDIR");
    expect_text(connection, "OK", "CLIENT TRACKING OFF");
    expect_error(connection, "ERR Client tracking is not supported", "CLIENT TRACKING ON");
    expect_error(connection, "ERR CLIENT CACHING can be called only", "CLIENT CACHING yes");
    redisReply *reply = command(connection, "CLIENT TRACKINGINFO");
    assert_int_equal(reply->elements, 6);
    assert_string_equal(reply->element[1]->element[0]->str, "off");
    freeReplyObject(reply);
    redisFree(connection);
}

// --- KILL ---

// More connections than workers, so that some are on another worker than the killer.
enum { CROWD = 8 };

static void kill_by_id_closes_that_connection_on_any_worker(void **state) {
    (void)state;
    redisContext *killer = server_connect(&server);
    redisContext *bystander = server_connect(&server);
    for (int i = 0; i < CROWD; i++) {
        redisContext *victim = server_connect(&server);
        expect_integer(killer, 1, "CLIENT KILL ID %lld", id_of(victim));
        wait_closed(victim);
        redisFree(victim);
    }
    expect_text(bystander, "PONG", "PING");
    redisFree(killer);
    redisFree(bystander);
}

static void kill_by_address_has_an_old_and_a_new_form(void **state) {
    (void)state;
    char address[128];
    redisContext *killer = server_connect(&server);
    redisContext *victim = server_connect(&server);
    own_field(victim, "addr=", address);
    expect_text(killer, "OK", "CLIENT KILL %s", address);
    wait_closed(victim);
    redisFree(victim);
    victim = server_connect(&server);
    own_field(victim, "addr=", address);
    expect_integer(killer, 1, "CLIENT KILL ADDR %s", address);
    wait_closed(victim);
    redisFree(victim);
    expect_error(killer, "ERR No such client", "CLIENT KILL 127.0.0.1:1");
    expect_integer(killer, 0, "CLIENT KILL ADDR 127.0.0.1:1");
    redisFree(killer);
}

static void filters_of_kill_all_have_to_match(void **state) {
    (void)state;
    char local[128];
    redisContext *killer = server_connect(&server);
    redisContext *victim = server_connect(&server);
    long long id = id_of(victim);
    own_field(victim, "laddr=", local);
    expect_integer(killer, 0, "CLIENT KILL ID %lld TYPE pubsub", id);
    expect_integer(killer, 0, "CLIENT KILL ID %lld ADDR 127.0.0.1:1", id);
    expect_integer(killer, 0, "CLIENT KILL ID %lld LADDR 127.0.0.1:1", id);
    expect_integer(killer, 0, "CLIENT KILL ID %lld MAXAGE 3600", id);
    expect_text(victim, "PONG", "PING");
    expect_integer(killer, 1, "CLIENT KILL ID %lld TYPE normal LADDR %s USER default SKIPME no", id, local);
    wait_closed(victim);
    redisFree(victim);
    redisFree(killer);
}

static void kill_spares_its_caller_unless_told_not_to(void **state) {
    (void)state;
    redisContext *killer = server_connect(&server);
    expect_integer(killer, 0, "CLIENT KILL ID %lld", id_of(killer));
    expect_text(killer, "PONG", "PING");
    expect_integer(killer, 1, "CLIENT KILL ID %lld SKIPME no", id_of(killer));
    wait_closed(killer);
    redisFree(killer);
}

static void kill_refuses_what_it_does_not_understand(void **state) {
    (void)state;
    redisContext *connection = server_connect(&server);
    expect_error(connection, "ERR client-id should be greater than 0", "CLIENT KILL ID 0");
    expect_error(connection, "ERR client-id should be greater than 0", "CLIENT KILL ID x");
    expect_error(connection, "ERR Unknown client type 'x'", "CLIENT KILL TYPE x");
    expect_error(connection, "ERR No such user 'x'", "CLIENT KILL USER x");
    expect_error(connection, "ERR syntax error", "CLIENT KILL SKIPME perhaps");
    expect_error(connection, "ERR syntax error", "CLIENT KILL ID 1 TYPE");
    expect_error(connection, "ERR syntax error", "CLIENT KILL COLOUR red");
    expect_error(connection, "ERR wrong number of arguments for 'client|kill' command", "CLIENT KILL");
    expect_error(connection, "ERR unknown subcommand 'MAIM'. Try CLIENT HELP.", "CLIENT MAIM");
    redisFree(connection);
}

// --- PAUSE ---

static bool shows_a_waiting_client(void *context) {
    return client_list_count(context, " flags=b ") != 0;
}

static void a_pause_of_writes_holds_writes_until_it_is_ended(void **state) {
    (void)state;
    redisContext *operator= server_connect(&server);
    redisContext *writer = server_connect(&server);
    redisContext *reader = server_connect(&server);
    expect_text(writer, "OK", "SET paused before");
    expect_text(operator, "OK", "CLIENT PAUSE 100000 WRITE");
    send_command(writer, "SET paused after");
    wait_until(shows_a_waiting_client, operator, 10, "a client waits");
    expect_text(reader, "before", "GET paused");
    expect_text(operator, "OK", "CLIENT UNPAUSE");
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(writer, (void **)&reply), REDIS_OK);
    assert_string_equal(reply->str, "OK");
    freeReplyObject(reply);
    expect_text(reader, "after", "GET paused");
    redisFree(operator);
    redisFree(writer);
    redisFree(reader);
}

static void a_pause_of_everything_ends_by_itself(void **state) {
    (void)state;
    redisContext *operator= server_connect(&server);
    redisContext *reader = server_connect(&server);
    expect_text(operator, "OK", "CLIENT PAUSE 300");
    expect_text(reader, "PONG", "PING"); // answered when the pause is over
    redisFree(operator);
    redisFree(reader);
}

static void pause_refuses_what_it_does_not_understand(void **state) {
    (void)state;
    redisContext *connection = server_connect(&server);
    expect_error(connection, "ERR timeout is not an integer or out of range", "CLIENT PAUSE x");
    expect_error(connection, "ERR timeout is negative", "CLIENT PAUSE -1");
    expect_error(connection, "ERR CLIENT PAUSE mode must be WRITE or ALL", "CLIENT PAUSE 1 SOME");
    expect_text(connection, "OK", "CLIENT UNPAUSE");
    expect_integer(connection, 0, "CLIENT UNBLOCK 1");
    expect_error(connection, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR", "CLIENT UNBLOCK 1 x");
    redisFree(connection);
}

// --- REPLY ---

// Appends the commands and expects these bulk or status replies, and no others before them.
static void expect_replies(redisContext *connection, const char *const *commands,
                           const char *const *replies) {
    for (; *commands != NULL; commands++)
        assert_int_equal(redisAppendCommand(connection, *commands), REDIS_OK);
    for (; *replies != NULL; replies++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
        assert_string_equal(reply->str, *replies);
        freeReplyObject(reply);
    }
}

static void replies_can_be_switched_off_and_on(void **state) {
    (void)state;
    static const char *const commands[] = {"CLIENT REPLY OFF", "PING lost",  "NOSUCH",
                                           "CLIENT REPLY ON",  "PING heard", NULL};
    static const char *const replies[] = {"OK", "heard", NULL};
    redisContext *connection = server_connect(&server);
    expect_replies(connection, commands, replies);
    redisFree(connection);
}

static void one_reply_can_be_skipped(void **state) {
    (void)state;
    static const char *const commands[] = {"CLIENT REPLY SKIP", "PING lost", "PING heard", "PING too", NULL};
    static const char *const replies[] = {"heard", "too", NULL};
    redisContext *connection = server_connect(&server);
    expect_replies(connection, commands, replies);
    expect_error(connection, "ERR syntax error", "CLIENT REPLY perhaps");
    redisFree(connection);
}

// --- MONITOR ---

static redisContext *start_monitor(void) {
    redisContext *connection = server_connect(&server);
    expect_text(connection, "OK", "MONITOR");
    return connection;
}

// Reads lines until one holds the text; fails if one holds `never` before.
static void expect_line(redisContext *monitor, const char *text, const char *never) {
    bool found = false;
    while (!found) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(monitor, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_STATUS);
        if (never != NULL && strstr(reply->str, never) != NULL)
            fail_msg("MONITOR shows '%s': %s", never, reply->str);
        found = strstr(reply->str, text) != NULL;
        freeReplyObject(reply);
    }
}

static void monitor_shows_commands_of_all_workers(void **state) {
    (void)state;
    redisContext *monitor = start_monitor();
    redisContext *second_monitor = start_monitor();
    for (int i = 0; i < CROWD; i++) {
        char line[128];
        redisContext *connection = server_connect(&server);
        expect_text(connection, "OK", "SET crowd:%d %s", i, "a\"b\x01");
        (void)snprintf(line, sizeof(line), "\"SET\" \"crowd:%d\" \"a\\\"b\\x01\"", i);
        expect_line(monitor, line, NULL);
        expect_line(second_monitor, line, NULL);
        redisFree(connection);
    }
    redisFree(monitor);
    redisFree(second_monitor);
}

static void monitor_shows_no_passwords(void **state) {
    (void)state;
    redisContext *monitor = start_monitor();
    redisContext *connection = server_connect(&server);
    expect_error(connection, "ERR AUTH", "AUTH hush");
    freeReplyObject(command(connection, "HELLO 2 AUTH default hush"));
    freeReplyObject(command(connection, "CONFIG SET masterauth hush"));
    expect_text(connection, "end", "ECHO end");
    expect_line(monitor, "\"ECHO\" \"end\"", "hush");
    redisFree(monitor);
    redisFree(connection);
}

static void monitor_shows_a_transaction_when_it_is_run(void **state) {
    (void)state;
    redisContext *monitor = start_monitor();
    redisContext *connection = server_connect(&server);
    expect_text(connection, "OK", "MULTI");
    expect_text(connection, "QUEUED", "INCR counted");
    expect_text(connection, "OK", "DISCARD");
    expect_line(monitor, "\"DISCARD\"", "INCR");
    expect_text(connection, "OK", "MULTI");
    expect_text(connection, "QUEUED", "INCR counted");
    freeReplyObject(command(connection, "EXEC"));
    expect_line(monitor, "\"INCR\" \"counted\"", "EXEC");
    expect_line(monitor, "\"EXEC\"", NULL);
    redisFree(monitor);
    redisFree(connection);
}

static void reset_ends_monitor(void **state) {
    (void)state;
    redisContext *monitor = start_monitor();
    redisContext *connection = server_connect(&server);
    assert_int_equal(server_info_number(connection, "clients", "monitor_clients"), 1);
    assert_int_equal(redisAppendCommand(monitor, "RESET"), REDIS_OK);
    expect_line(monitor, "RESET", NULL);
    assert_int_equal(server_info_number(connection, "clients", "monitor_clients"), 0);
    expect_text(connection, "quiet", "ECHO quiet");
    expect_text(monitor, "PONG", "PING");
    redisFree(monitor);
    redisFree(connection);
}

static bool has_no_monitors(void *context) {
    return server_info_number(context, "clients", "monitor_clients") == 0;
}

static void a_monitor_that_does_not_read_is_closed(void **state) {
    (void)state;
    redisContext *operator= server_connect(&server);
    redisContext *monitor = start_monitor();
    expect_text(operator, "OK", "CONFIG SET client-output-buffer-limit %s", "normal 1mb 0 0");
    char *filler = malloc(1 << 20);
    assert_non_null(filler);
    memset(filler, 'x', (1 << 20) - 1);
    filler[(1 << 20) - 1] = '\0';
    for (int i = 0; i < 64; i++)
        freeReplyObject(command(operator, "GET %s", filler));
    free(filler);
    wait_until(has_no_monitors, operator, 20, "the monitor is closed");
    expect_text(operator, "OK", "CONFIG SET client-output-buffer-limit %s", "normal 0 0 0");
    redisFree(monitor);
    redisFree(operator);
}

static void a_long_word_in_an_error_is_cut(void **state) {
    (void)state;
    char word[301] = {0};
    memset(word, 'x', sizeof(word) - 1);
    redisContext *client = server_connect(&server);
    redisReply *reply = command(client, "CLIENT LIST TYPE %s", word);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    assert_in_range(strlen(reply->str), 128, 200);
    freeReplyObject(reply);
    redisFree(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_rise_and_are_not_used_again),
        cmocka_unit_test(the_line_has_redis_fields_in_redis_order),
        cmocka_unit_test(the_line_tells_name_library_and_command),
        cmocka_unit_test(the_line_tells_the_protocol),
        cmocka_unit_test(names_hold_no_blanks_and_can_be_taken_away),
        cmocka_unit_test(flags_tell_what_the_connection_is_doing),
        cmocka_unit_test(list_is_filtered_by_type_and_id),
        cmocka_unit_test(tracking_is_off_and_stays_off),
        cmocka_unit_test(kill_by_id_closes_that_connection_on_any_worker),
        cmocka_unit_test(kill_by_address_has_an_old_and_a_new_form),
        cmocka_unit_test(filters_of_kill_all_have_to_match),
        cmocka_unit_test(kill_spares_its_caller_unless_told_not_to),
        cmocka_unit_test(kill_refuses_what_it_does_not_understand),
        cmocka_unit_test(a_pause_of_writes_holds_writes_until_it_is_ended),
        cmocka_unit_test(a_pause_of_everything_ends_by_itself),
        cmocka_unit_test(pause_refuses_what_it_does_not_understand),
        cmocka_unit_test(replies_can_be_switched_off_and_on),
        cmocka_unit_test(one_reply_can_be_skipped),
        cmocka_unit_test(monitor_shows_commands_of_all_workers),
        cmocka_unit_test(monitor_shows_no_passwords),
        cmocka_unit_test(monitor_shows_a_transaction_when_it_is_run),
        cmocka_unit_test(reset_ends_monitor),
        cmocka_unit_test(a_monitor_that_does_not_read_is_closed),
        cmocka_unit_test(a_long_word_in_an_error_is_cut),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
