// SPDX-License-Identifier: Apache-2.0
//
// What operators do to a server at work: stop and continue it, shut it down, rotate its log. Clients that
// write all the while count what they were told; all of it must be there afterwards.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raw_client.h"
#include "server_fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WRITERS = 6,
    PIPELINE = 8,
    STOPS = 5,
    SHUTDOWNS = 6,
    ROTATIONS = 20,
    LOAD = 2000,
    PATIENCE_SECONDS = 30
};

// --- Load ---

// Each writer writes keys of its own with numbers upwards.
struct writer {
    pthread_t thread;
    int number;
    struct load *load;
    _Atomic long acknowledged; // the highest number that was
};

struct load {
    struct test_server *server;
    struct writer writers[WRITERS];
    _Atomic bool enough;
    _Atomic int refused; // replies that were errors
    long target;         // for acknowledged_enough()
};

static bool read_replies(struct writer *writer, redisContext *connection) {
    for (int i = 0; i < PIPELINE; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(connection, (void **)&reply) != REDIS_OK)
            return false;
        if (reply->type == REDIS_REPLY_STATUS)
            atomic_fetch_add(&writer->acknowledged, 1);
        else
            atomic_fetch_add(&writer->load->refused, 1);
        freeReplyObject(reply);
    }
    return true;
}

// Writes until it is told to stop or the server goes away.
static void *write_on(void *argument) {
    struct writer *writer = argument;
    redisContext *connection = redisConnect("127.0.0.1", writer->load->server->port);
    bool going_on = connection != NULL && connection->err == 0;
    for (long sent = 0; going_on && !atomic_load(&writer->load->enough);) {
        for (int i = 0; i < PIPELINE; i++) {
            sent++;
            (void)redisAppendCommand(connection, "SET writer:%d:%ld %ld", writer->number, sent, sent);
        }
        going_on = read_replies(writer, connection);
    }
    redisFree(connection);
    return NULL;
}

static struct load *load_start(struct test_server *server) {
    struct load *load = calloc(1, sizeof(*load));
    assert_non_null(load);
    load->server = server;
    for (int i = 0; i < WRITERS; i++) {
        struct writer *writer = &load->writers[i];
        writer->number = i;
        writer->load = load;
        assert_int_equal(pthread_create(&writer->thread, NULL, write_on, writer), 0);
    }
    return load;
}

static long total(const struct load *load) {
    long sum = 0;
    for (int i = 0; i < WRITERS; i++)
        sum += atomic_load(&load->writers[i].acknowledged);
    return sum;
}

static bool target_is_reached(void *context) {
    const struct load *load = context;
    return total(load) >= load->target;
}

static void wait_for_writes(struct load *load, long more) {
    load->target = total(load) + more;
    wait_until(target_is_reached, load, PATIENCE_SECONDS, "writes are acknowledged");
}

static void check_writer(redisContext *connection, const struct writer *writer) {
    for (long number = 1; number <= writer->acknowledged; number++)
        assert_int_equal(redisAppendCommand(connection, "GET writer:%d:%ld", writer->number, number),
                         REDIS_OK);
    for (long number = 1; number <= writer->acknowledged; number++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
        if (reply->type != REDIS_REPLY_STRING || strtol(reply->str, NULL, 10) != number)
            fail_msg("write %ld of writer %d was acknowledged and is lost", number, writer->number);
        freeReplyObject(reply);
    }
}

static void load_end(struct load *load) {
    atomic_store(&load->enough, true);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(load->writers[i].thread, NULL), 0);
}

// After load_end(): all that was acknowledged is there, and nothing was refused.
static void load_check(struct load *load) {
    redisContext *connection = server_connect(load->server);
    for (int i = 0; i < WRITERS; i++)
        check_writer(connection, &load->writers[i]);
    assert_int_equal(load->refused, 0);
    redisFree(connection);
    free(load);
}

// --- Stop and continue ---

static void a_server_that_was_stopped_for_a_while_goes_on(void **state) {
    struct own_server *own = *state;
    struct load *load = load_start(&own->server);
    for (int i = 0; i < STOPS; i++) {
        wait_for_writes(load, LOAD);
        server_pause(&own->server);
        int waiting = server_connect_raw(&own->server); // the system accepts it for the server
        raw_send_text(waiting, "PING\r\n");
        server_continue(&own->server);
        raw_expect(waiting, "+PONG\r\n");
        assert_int_equal(close(waiting), 0);
    }
    wait_for_writes(load, LOAD);
    load_end(load);
    server_kill(&own->server);
    own_server_restart(own);
    load_check(load);
}

// --- Shutdown ---

static void shut_down_by_command(redisContext *connection) {
    redisReply *reply = redisCommand(connection, "SHUTDOWN");
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
        fail_msg("SHUTDOWN: %s", reply->str);
    freeReplyObject(reply);
}

static void a_shutdown_under_load_loses_nothing_that_was_acknowledged(void **state) {
    struct own_server *own = *state;
    for (int i = 0; i < SHUTDOWNS; i++) {
        struct load *load = load_start(&own->server);
        wait_for_writes(load, LOAD);
        if (i % 2 == 0)
            shut_down_by_command(own->client);
        else
            assert_int_equal(kill(own->server.pid, SIGTERM), 0);
        assert_int_equal(server_wait_exit(&own->server), 0);
        load_end(load);
        own_server_restart(own);
        load_check(load);
        expect_text(own->client, "OK", "FLUSHALL");
    }
}

// --- Log rotation ---

struct log_directory {
    char path[64];
    _Atomic bool enough;
    struct test_server *server;
    long mistakes; // each leaves a line in the log
};

// Calls `visit` for each log file, those that were rotated as well if `rotated`; returns how many there are.
static int each_log(const char *directory, bool rotated, void (*visit)(const char *path, void *context),
                    void *context) {
    int count = 0;
    DIR *entries = opendir(directory);
    assert_non_null(entries);
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        char path[400];
        bool is_rotated = strncmp(entry->d_name, "rotated", 7) == 0;
        if (entry->d_name[0] == '.' || (is_rotated && !rotated))
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        if (visit != NULL)
            visit(path, context);
        count++;
    }
    assert_int_equal(closedir(entries), 0);
    return count;
}

static bool has_new_log(void *context) {
    const struct log_directory *log = context;
    return each_log(log->path, false, NULL, NULL) > 0;
}

static void set_aside(const char *path, void *context) {
    assert_int_equal(rename(path, context), 0);
}

static void count_mistakes(const char *path, void *context) {
    char line[1024];
    long *count = context;
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        assert_int_equal(line[0], '['); // no line is torn
        assert_int_equal(line[strlen(line) - 1], '\n');
        *count += strstr(line, "Protocol error") != NULL;
    }
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *path, void *context) {
    (void)context;
    assert_int_equal(unlink(path), 0);
}

static void *make_mistakes(void *argument) {
    struct log_directory *log = argument;
    while (!atomic_load(&log->enough)) {
        int fd = server_connect_raw(log->server);
        raw_send_text(fd, "*x\r\n");
        raw_expect_last_words(fd, "-ERR Protocol error");
        assert_int_equal(close(fd), 0);
        log->mistakes++;
    }
    return NULL;
}

static void a_log_that_is_rotated_under_load_has_every_line(void **state) {
    (void)state;
    struct test_server server;
    struct log_directory log = {.path = "/tmp/kvfence-log-XXXXXX", .server = &server};
    char config[128];
    char aside[128];
    pthread_t mistakes;
    long found = 0;
    assert_non_null(mkdtemp(log.path));
    // Protocol errors are logged at level debug: a line for each mistake.
    (void)snprintf(config, sizeof(config), "log-dir %s\nlog-level debug", log.path);
    server_start(&server, config);
    struct load *load = load_start(&server);
    assert_int_equal(pthread_create(&mistakes, NULL, make_mistakes, &log), 0);
    for (int i = 0; i < ROTATIONS; i++) {
        wait_for_writes(load, LOAD / 10);
        (void)snprintf(aside, sizeof(aside), "%s/rotated-%d", log.path, i);
        (void)each_log(log.path, false, set_aside, aside);
        assert_int_equal(kill(server.pid, SIGHUP), 0);
        wait_until(has_new_log, &log, PATIENCE_SECONDS, "a new log file is opened");
    }
    atomic_store(&log.enough, true);
    assert_int_equal(pthread_join(mistakes, NULL), 0);
    load_end(load);
    load_check(load);
    server_stop(&server);
    assert_true(each_log(log.path, true, count_mistakes, &found) > ROTATIONS);
    assert_true(log.mistakes > 0);
    assert_int_equal(found, log.mistakes);
    (void)each_log(log.path, true, remove_file, NULL);
    assert_int_equal(rmdir(log.path), 0);
    server_discard(&server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        own_server_test(a_server_that_was_stopped_for_a_while_goes_on, ""),
        own_server_test(a_shutdown_under_load_loses_nothing_that_was_acknowledged, ""),
        cmocka_unit_test(a_log_that_is_rotated_under_load_has_every_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
