// SPDX-License-Identifier: Apache-2.0
//
// A master that the test plays itself, and that gives away what is no copy of a database: its replica takes
// no more of it than it was told to expect, and keeps what it has.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acted_node.h"
#include "replication_pair.h"

#include <stdatomic.h>
#include <string.h>
#include <strings.h>

struct master_double {
    struct acted_node node;
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

static bool answer(void *context, int fd, char words[ACTED_WORDS_MAX][ACTED_WORD_SIZE]) {
    struct master_double *actor = context;
    const char *text = answer_to(actor, words[0]);
    atomic_fetch_add(&actor->fetches, text == actor->file);
    return acted_node_say(fd, text);
}

static const char a_kvfence[] = "$17\r\nkvfence_version:1\r\n";
static const char a_kvrocks[] = "$17\r\nkvrocks_version:2\r\n";

static int open_play(void **state) {
    static struct play play;
    memset(&play, 0, sizeof(play));
    acted_node_listen(&play.master.node);
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
    acted_node_end(&play->master.node);
    return 0;
}

static void follow_the_double(struct play *play, const char *info, const char *list, const char *file) {
    play->master.info = info;
    play->master.list = list;
    play->master.file = file;
    acted_node_play(&play->master.node, answer, &play->master);
    follow(play->client, play->master.node.port);
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
