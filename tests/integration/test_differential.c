// SPDX-License-Identifier: Apache-2.0
//
// The same random commands to Debian's redis-server and to this server: the same replies, in and out of
// MULTI, and the same keyspace at the end. COMMANDS says how many (200,000 unless it is set), KVFENCE_SEED
// repeats a run.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "differential_commands.h"
#include "harness.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 50, TRANSACTION_IN = 12 };

static struct test_server ours;
static struct {
    pid_t pid;
    int port;
    redisContext *client;
} theirs;
static redisContext *our_client;

// --- Servers ---

static bool theirs_answers(void *context) {
    (void)context;
    redisContext *client = redisConnect("127.0.0.1", theirs.port);
    bool answers = client != NULL && client->err == 0;
    if (answers)
        theirs.client = client;
    else
        redisFree(client);
    return answers;
}

static int start_servers(void **state) {
    (void)state;
    char port[16];
    server_start(&ours, "workers 2");
    our_client = server_connect(&ours);
    theirs.port = free_port();
    (void)snprintf(port, sizeof(port), "%d", theirs.port);
    theirs.pid = fork();
    assert_true(theirs.pid >= 0);
    if (theirs.pid == 0) {
        (void)execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                     "--dir", ours.directory, "--logfile", "/dev/null", "--enable-protected-configs", "yes",
                     (char *)NULL);
        _exit(127);
    }
    wait_until(theirs_answers, NULL, 20, "redis-server accepts connections");
    return 0;
}

static int stop_servers(void **state) {
    (void)state;
    redisFree(theirs.client);
    redisFree(our_client);
    if (theirs.pid > 0) {
        (void)kill(theirs.pid, SIGKILL);
        (void)waitpid(theirs.pid, NULL, 0);
    }
    server_discard(&ours);
    return 0;
}

// --- Replies ---

// NOLINTNEXTLINE(misc-no-recursion): replies of these commands are a few levels deep
static void append_reply(struct buffer *out, const redisReply *reply, const struct random_command *command);

struct element {
    struct buffer text;
};

static int by_text(const void *a, const void *b) {
    const struct element *first = a;
    const struct element *second = b;
    return bytes_compare(buffer_bytes(&first->text), buffer_bytes(&second->text));
}

// NOLINTNEXTLINE(misc-no-recursion)
static void append_elements(struct buffer *out, const redisReply *reply,
                            const struct random_command *command) {
    size_t step = command->in_pairs ? 2 : 1;
    size_t count = reply->elements / step;
    struct element *elements = memory_allocate_zeroed(count + 1, sizeof(*elements));
    for (size_t i = 0; i < reply->elements; i++)
        append_reply(&elements[i / step].text, reply->element[i], command);
    if (command->any_order)
        qsort(elements, count, sizeof(*elements), by_text);
    for (size_t i = 0; i < count; i++) {
        buffer_append(out, buffer_bytes(&elements[i].text));
        buffer_append_text(out, " ");
        buffer_release(&elements[i].text);
    }
    free(elements);
}

// NOLINTNEXTLINE(misc-no-recursion)
static void append_reply(struct buffer *out, const redisReply *reply, const struct random_command *command) {
    buffer_append_format(out, "%d:", reply->type);
    if (reply->type == REDIS_REPLY_ARRAY) {
        buffer_append_format(out, "[%zu ", reply->elements);
        append_elements(out, reply, command);
        buffer_append_text(out, "]");
    } else if (reply->type == REDIS_REPLY_INTEGER) {
        buffer_append_format(out, "%lld", reply->integer);
    } else if (reply->str != NULL) {
        // A score of -0 is kept as 0, as Redis does in the small encoding of its sorted sets only.
        bool is_minus_zero = strcmp(reply->str, "-0") == 0;
        buffer_append(out, (struct bytes){is_minus_zero ? "0" : reply->str, is_minus_zero ? 1 : reply->len});
    }
}

static void print_command(const struct random_command *command) {
    for (int i = 0; i < command->count; i++) {
        (void)fputs(i == 0 ? "  " : " ", stderr);
        for (size_t at = 0; at < command->lengths[i]; at++) {
            unsigned char byte = (unsigned char)command->arguments[i][at];
            (void)fprintf(stderr, byte > ' ' && byte < 0x7f ? "%c" : "\\x%02x", byte);
        }
        if (command->lengths[i] == 0)
            (void)fputs("''", stderr);
    }
    (void)fputs("\n", stderr);
}

static redisReply *next_reply(redisContext *client) {
    void *reply = NULL;
    if (redisGetReply(client, &reply) != REDIS_OK)
        fail_msg("no reply: %s", client->errstr);
    return reply;
}

// --- Comparing ---

// redis-server 7.0 looks at errno after it has made a number of an element, but does not clear it before: if
// an earlier number was out of range, SORT may fail though all elements are numbers. Something that fails
// otherwise has to come between, and outside of transactions.
static bool is_sort(const struct random_command *command) {
    return strncmp(command->arguments[0], "SORT", 4) == 0;
}

static void append_what_sets_errno(void) {
    assert_int_equal(redisAppendCommand(theirs.client, "CONFIG SET dir /not/there"), REDIS_OK);
}

// What a transaction's commands look like must be known when its EXEC is compared.
struct history {
    struct random_command commands[BATCH];
    size_t count;
    uint64_t seed;
};

static void expect_errno_was_set(void) {
    redisReply *reply = next_reply(theirs.client);
    assert_non_null(strstr(reply->str, strerror(ENOENT)));
    freeReplyObject(reply);
}

static void expect_same(const struct history *history, size_t index) {
    struct buffer our_text = {0};
    struct buffer their_text = {0};
    redisReply *our_reply = next_reply(our_client);
    if (is_sort(&history->commands[index]))
        expect_errno_was_set();
    redisReply *their_reply = next_reply(theirs.client);
    append_reply(&our_text, our_reply, &history->commands[index]);
    append_reply(&their_text, their_reply, &history->commands[index]);
    if (!bytes_equal(buffer_bytes(&our_text), buffer_bytes(&their_text))) {
        for (size_t i = index < 8 ? 0 : index - 8; i <= index; i++)
            print_command(&history->commands[i]);
        fail_msg("seed %" PRIu64 ": ours '%.*s', theirs '%.*s'", history->seed,
                 bytes_shown_length(buffer_bytes(&our_text)), our_text.data,
                 bytes_shown_length(buffer_bytes(&their_text)), their_text.data);
    }
    freeReplyObject(our_reply);
    freeReplyObject(their_reply);
    buffer_release(&our_text);
    buffer_release(&their_text);
}

static void send_to_both(struct random_command *command) {
    if (is_sort(command))
        append_what_sets_errno();
    assert_int_equal(redisAppendCommandArgv(our_client, command->count, command->arguments, command->lengths),
                     REDIS_OK);
    assert_int_equal(
        redisAppendCommandArgv(theirs.client, command->count, command->arguments, command->lengths),
        REDIS_OK);
}

static void make_plain(struct random_command *command, const char *word, bool any_order) {
    *command = (struct random_command){.count = 1, .any_order = any_order};
    command->arguments[0] = word;
    command->lengths[0] = strlen(word);
}

// Fills the history: commands, of which some stand in transactions. The replies of EXEC are compared in any
// order, since some of the commands' are.
static void make_batch(struct history *history, uint64_t *seed) {
    size_t open_until = 0;
    history->seed = *seed;
    for (history->count = 0; history->count < BATCH; history->count++) {
        struct random_command *command = &history->commands[history->count];
        if (open_until != 0 && history->count == open_until) {
            make_plain(command, "EXEC", true);
            open_until = 0;
        } else if (open_until == 0 && history->count + 10 < BATCH &&
                   random_step(seed) % TRANSACTION_IN == 0) {
            make_plain(command, "MULTI", false);
            open_until = history->count + 2 + (size_t)(random_step(seed) % 8);
        } else {
            do
                random_command_make(seed, command);
            while (open_until != 0 && is_sort(command));
        }
    }
}

static void compare_batch(uint64_t *seed) {
    static struct history history;
    make_batch(&history, seed);
    for (size_t i = 0; i < history.count; i++)
        send_to_both(&history.commands[i]);
    for (size_t i = 0; i < history.count; i++)
        expect_same(&history, i);
}

// --- The keyspace ---

static void compare_with(const char *name, const char *key, const char *rest, bool in_pairs) {
    static struct history history;
    struct random_command *command = &history.commands[0];
    char copy[64];
    make_plain(command, name, strcmp(name, "LRANGE") != 0 && strcmp(name, "ZRANGE") != 0);
    command->in_pairs = in_pairs;
    command->arguments[command->count] = key;
    command->lengths[command->count++] = strlen(key);
    (void)snprintf(copy, sizeof(copy), "%s", rest);
    for (char *save = NULL, *word = strtok_r(copy, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        command->arguments[command->count] = word;
        command->lengths[command->count++] = strlen(word);
    }
    send_to_both(command);
    expect_same(&history, 0);
}

// Each reading but the one that fits the key's type ends with the same error on both sides.
static void compare_keyspaces(void) {
    const char *key = NULL;
    for (size_t i = 0; (key = random_key_name(i)) != NULL; i++) {
        compare_with("TYPE", key, "", false);
        compare_with("PEXPIRETIME", key, "", false);
        compare_with("GET", key, "", false);
        compare_with("HGETALL", key, "", true);
        compare_with("LRANGE", key, "0 -1", false);
        compare_with("SMEMBERS", key, "", false);
        compare_with("ZRANGE", key, "0 -1 WITHSCORES", false);
    }
    static struct history history;
    make_plain(&history.commands[0], "DBSIZE", false);
    send_to_both(&history.commands[0]);
    expect_same(&history, 0);
}

static uint64_t number_from(const char *name, uint64_t otherwise) {
    const char *given = getenv(name);
    return given == NULL ? otherwise : strtoull(given, NULL, 10);
}

static void random_commands_are_answered_as_redis_answers_them(void **state) {
    (void)state;
    uint64_t seed = number_from("KVFENCE_SEED", (uint64_t)time(NULL) << 20 | (uint64_t)getpid());
    uint64_t commands = number_from("COMMANDS", IS_SANITIZED ? 20000 : 200000);
    print_message("seed %" PRIu64 ", %" PRIu64 " commands\n", seed, commands);
    for (uint64_t done = 0; done < commands; done += BATCH)
        compare_batch(&seed);
    compare_keyspaces();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_commands_are_answered_as_redis_answers_them, start_servers,
                                        stop_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
