// SPDX-License-Identifier: Apache-2.0
//
// A master that the test plays itself, and that gives away what is no copy of a database: its replica takes
// no more of it than it was told to expect, and keeps what it has.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replication_pair.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORDS_MAX = 8, WORD_SIZE = 256 };

struct master_double {
    int listener, port;
    pthread_t thread;
    atomic_bool stop;
    const char *info; // its answer to INFO
    const char *list; // of its files
    const char *file; // what it says when it is asked for them
    atomic_int fetches;
};

struct play {
    struct test_server replica;
    redisContext *client;
    struct master_double master;
};

// --- The master ---

static bool read_words(FILE *in, char words[WORDS_MAX][WORD_SIZE]) {
    char line[WORD_SIZE];
    if (fgets(line, sizeof(line), in) == NULL || line[0] != '*')
        return false;
    int count = (int)strtol(line + 1, NULL, 10);
    for (int i = 0; i < count; i++) {
        if (i >= WORDS_MAX || fgets(line, sizeof(line), in) == NULL || // its length
            fgets(words[i], WORD_SIZE, in) == NULL)
            return false;
    }
    return true;
}

static const char *answer_to(struct master_double *actor, const char *command) {
    const struct {
        const char *command, *answer;
    } answers[] = {{"_db_name", "change.me.db\r\n"},
                   {"INFO", actor->info},
                   {"PSYNC", "-ERR sequence out of range, please use fullsync\r\n"},
                   {"_fetch_meta", actor->list},
                   {"_fetch_file", actor->file}};
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (strncasecmp(command, answers[i].command, strlen(answers[i].command)) == 0)
            return answers[i].answer;
    }
    return "+OK\r\n";
}

static void serve_link(struct master_double *actor, int fd) {
    char words[WORDS_MAX][WORD_SIZE];
    FILE *in = fdopen(fd, "r");
    assert_non_null(in);
    while (read_words(in, words)) {
        const char *answer = answer_to(actor, words[0]);
        atomic_fetch_add(&actor->fetches, answer == actor->file);
        (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    }
    (void)fclose(in);
}

static void *serve(void *argument) {
    struct master_double *actor = argument;
    struct pollfd poll_fd = {.fd = actor->listener, .events = POLLIN};
    while (!atomic_load(&actor->stop)) {
        if (poll(&poll_fd, 1, 20) <= 0)
            continue;
        int fd = accept(actor->listener, NULL, NULL);
        if (fd >= 0)
            serve_link(actor, fd);
    }
    return NULL;
}

static void master_begin(struct master_double *actor) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    actor->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(actor->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(actor->listener, 8), 0);
    assert_int_equal(getsockname(actor->listener, (struct sockaddr *)&address, &length), 0);
    actor->port = ntohs(address.sin_port);
}

static const char a_kvfence[] = "$17\r\nkvfence_version:1\r\n";
static const char a_kvrocks[] = "$17\r\nkvrocks_version:2\r\n";

static int open_play(void **state) {
    static struct play play;
    memset(&play, 0, sizeof(play));
    master_begin(&play.master);
    server_start(&play.replica, "replication-recv-timeout-ms 2000\n");
    play.client = server_connect(&play.replica);
    expect_text(play.client, "OK", "SET own 1");
    *state = &play;
    return 0;
}

static int close_play(void **state) {
    struct play *play = *state;
    redisFree(play->client);
    server_discard(&play->replica); // its end is the links' end
    atomic_store(&play->master.stop, true);
    (void)pthread_join(play->master.thread, NULL);
    (void)close(play->master.listener);
    return 0;
}

static void follow_the_double(struct play *play, const char *info, const char *list, const char *file) {
    play->master.info = info;
    play->master.list = list;
    play->master.file = file;
    assert_int_equal(pthread_create(&play->master.thread, NULL, serve, &play->master), 0);
    follow(play->client, play->master.port);
}

// --- Tests ---

static void a_file_that_is_not_as_long_as_listed_is_not_taken(void **state) {
    struct play *play = *state;
    follow_the_double(play, a_kvfence, "identity:1 000007.sst:1000\r\n", "1001\r\n");
    server_wait_log(&play->replica, "the file '000007.sst' has 1001 bytes, and 1000 in its list");
    expect_text(play->client, "1", "GET own");
}

static void a_copy_that_the_disk_has_no_room_for_is_not_begun(void **state) {
    struct play *play = *state;
    follow_the_double(play, a_kvfence,
                      "identity:1 000007.sst:9000000000000000000,000008.sst:9000000000000000000,"
                      "000009.sst:9000000000000000000\r\n",
                      "1\r\n");
    server_wait_log(&play->replica, "there is no room for its data: 18446744073709551615 bytes");
    expect_text(play->client, "1", "GET own");
    assert_int_equal(atomic_load(&play->master.fetches), 0);
}

// A Kvrocks' list has no sizes.
static void a_file_that_the_disk_has_no_room_for_is_not_taken(void **state) {
    struct play *play = *state;
    follow_the_double(play, a_kvrocks, "000007.sst\r\n", "9000000000000000000\r\n");
    server_wait_log(&play->replica, "there is no room for its data: 9000000000000000000 bytes");
    expect_text(play->client, "1", "GET own");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_play, close_play)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_file_that_is_not_as_long_as_listed_is_not_taken),
        CASE(a_copy_that_the_disk_has_no_room_for_is_not_begun),
        CASE(a_file_that_the_disk_has_no_room_for_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
