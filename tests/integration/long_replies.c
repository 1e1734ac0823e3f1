// SPDX-License-Identifier: Apache-2.0
//
// Big collections, and their replies read piece by piece. Uses: cmocka, base/buffer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "long_replies.h"

#include "raw_client.h"

#include "base/buffer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BATCH = 500, SMALL_SOCKET = 16 << 10, PATIENCE_SECONDS = IS_SANITIZED ? 120 : 30 };

// --- Data ---

typedef void append_function(struct buffer *out, int element);

static void append_member(struct buffer *out, int element) {
    buffer_append_format(out, "$100\r\n%0100d\r\n", element);
}

static void append_short(struct buffer *out, int element) {
    char text[16];
    int length = snprintf(text, sizeof(text), "%d", element);
    buffer_append_format(out, "$%d\r\n%s\r\n", length, text);
}

static void append_field_and_value(struct buffer *out, int element) {
    append_member(out, element);
    append_short(out, element);
}

static void append_score_and_member(struct buffer *out, int element) {
    append_short(out, element);
    append_member(out, element);
}

static void append_key_and_value(struct buffer *out, int element) {
    buffer_append_format(out, "$100\r\nkey:%096d\r\n", element);
    append_short(out, element);
}

static void append_x(struct buffer *out, int element) {
    (void)element;
    buffer_append_text(out, "$1\r\nx\r\n");
}

static void append_integer(struct buffer *out, int element) {
    buffer_append_format(out, ":%d\r\n", element);
}

struct filling {
    const char *command; // as it begins
    int words;           // in it
    int words_each;
    append_function *append;
};

static const struct filling fillings[] = {
    [BIG_HASH] = {"HSET hash", 2, 2, append_field_and_value},
    [BIG_SET] = {"SADD set", 2, 1, append_member},
    [BIG_LIST] = {"RPUSH list", 2, 1, append_member},
    [BIG_ZSET] = {"ZADD zset", 2, 2, append_score_and_member},
    [SMALL_SET] = {"SADD small", 2, 1, append_member},
    [MANY_KEYS] = {"MSET", 1, 2, append_key_and_value},
    [SAME_LIST] = {"RPUSH same", 2, 1, append_x},
};

static void append_command(struct buffer *out, const struct filling *filling, int from) {
    char copy[64];
    char *rest = NULL;
    (void)snprintf(copy, sizeof(copy), "%s", filling->command);
    buffer_append_format(out, "*%d\r\n", filling->words + FILL_BATCH * filling->words_each);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        buffer_append_format(out, "$%zu\r\n%s\r\n", strlen(word), word);
    for (int element = from; element < from + FILL_BATCH; element++)
        filling->append(out, element);
}

void fill(const struct test_server *address, enum long_data data, int count) {
    redisContext *connection = server_connect(address);
    struct buffer text = {0};
    for (int from = 0; from < count; from += FILL_BATCH) {
        redisReply *reply = NULL;
        buffer_clear(&text);
        append_command(&text, &fillings[data], from);
        raw_send(connection->fd, text.data, text.length);
        assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
        assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
        freeReplyObject(reply);
    }
    buffer_release(&text);
    redisFree(connection);
}

// --- Reading ---

static void append_key(struct buffer *out, int element) {
    buffer_append_format(out, "$100\r\nkey:%096d\r\n", element);
}

static void append_member_and_score(struct buffer *out, int element) {
    append_member(out, element);
    append_short(out, element);
}

static void append_scored_pair(struct buffer *out, int element) {
    buffer_append_text(out, "*2\r\n");
    append_member(out, element);
    buffer_append_format(out, ",%d\r\n", element);
}

static void append_member_and_null(struct buffer *out, int element) {
    append_member(out, element);
    buffer_append_text(out, "_\r\n");
}

static const struct answer answers[] = {
    {"HGETALL hash", 2, "*", 2 * ELEMENTS, append_field_and_value, 0, ELEMENTS - 1},
    {"HGETALL hash", 3, "%", ELEMENTS, append_field_and_value, 0, ELEMENTS - 1},
    {"HRANGEBYLEX hash + - REV", 3, "*", 2 * ELEMENTS, append_field_and_value, ELEMENTS - 1, 0},
    {"HKEYS hash", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"HVALS hash", 3, "*", ELEMENTS, append_short, 0, ELEMENTS - 1},
    {"SMEMBERS set", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"SMEMBERS set", 3, "~", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"LRANGE list 0 -1", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"LRANGE list 5 -6", 3, "*", ELEMENTS - 10, append_member, 5, ELEMENTS - 6},
    {"ZRANGE zset 0 -1", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"ZRANGE zset 0 -1 WITHSCORES", 2, "*", 2 * ELEMENTS, append_member_and_score, 0, ELEMENTS - 1},
    {"ZRANGE zset 0 -1 WITHSCORES", 3, "*", ELEMENTS, append_scored_pair, 0, ELEMENTS - 1},
    {"ZRANGE zset 30000 -1", 3, "*", ELEMENTS - 30000, append_member, 30000, ELEMENTS - 1},
    {"ZRANGE zset -20000 -1", 2, "*", 20000, append_member, ELEMENTS - 20000, ELEMENTS - 1},
    {"ZREVRANGE zset 0 -1", 2, "*", ELEMENTS, append_member, ELEMENTS - 1, 0},
    {"ZREVRANGE zset -20000 -10", 2, "*", 19991, append_member, 19999, 9},
    {"ZRANGEBYSCORE zset -inf +inf", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"ZRANGEBYSCORE zset (9 +inf WITHSCORES LIMIT 10 30000", 2, "*", 60000, append_member_and_score, 20,
     30019},
    {"ZREVRANGEBYSCORE zset +inf 5 WITHSCORES", 3, "*", ELEMENTS - 5, append_scored_pair, ELEMENTS - 1, 5},
    {"ZRANGEBYLEX zset - +", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"ZRANGE zset (1 (0 BYLEX REV", 2, "*", ELEMENTS, append_member, ELEMENTS - 1, 0},
    {"SUNION set set", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"SINTER set set", 3, "~", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"SDIFF set missing", 3, "~", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"SRANDMEMBER set 1000000", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"HRANDFIELD hash 1000000 WITHVALUES", 2, "*", 2 * ELEMENTS, append_field_and_value, 0, ELEMENTS - 1},
    {"ZRANDMEMBER zset 1000000 WITHSCORES", 3, "*", ELEMENTS, append_scored_pair, 0, ELEMENTS - 1},
    {"LPOS same x COUNT 0", 2, "*", SAME_ELEMENTS, append_integer, 0, SAME_ELEMENTS - 1},
    {"LPOS same x COUNT 50000 RANK -11 MAXLEN 50005", 3, "*", 49995, append_integer, SAME_ELEMENTS - 11,
     SAME_ELEMENTS - 50005},
    {"SORT list ALPHA", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"SORT_RO set ALPHA DESC GET # GET hash:*", 3, "*", 2 * ELEMENTS, append_member_and_null, ELEMENTS - 1,
     0},
    {"SORT_RO set BY nosort GET #", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"ZUNION 2 zset set WEIGHTS 1 0 WITHSCORES", 2, "*", 2 * ELEMENTS, append_member_and_score, 0,
     ELEMENTS - 1},
    {"ZINTER 2 zset set WEIGHTS 1 0 WITHSCORES", 3, "*", ELEMENTS, append_scored_pair, 0, ELEMENTS - 1},
    {"ZDIFF 2 zset missing", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"KEYS key:*", 2, "*", ELEMENTS / 5, append_key, 0, ELEMENTS / 5 - 1},
};
enum { ANSWERS = sizeof(answers) / sizeof(answers[0]) };

const struct answer *answer_at(size_t index) {
    return index < ANSWERS ? &answers[index] : NULL;
}

const struct answer *answer_to(const char *command) {
    size_t i = 0;
    while (i < ANSWERS - 1 && strcmp(answers[i].command, command) != 0)
        i++;
    assert_string_equal(answers[i].command, command);
    return &answers[i];
}

const struct answer *answer_in(int protocol, const char *command) {
    const struct answer *answer = answer_to(command);
    if (answer->protocol != protocol)
        answer++; // it has one in each
    assert_int_equal(answer->protocol, protocol);
    assert_string_equal(answer->command, command);
    return answer;
}

static void expect_bytes(int fd, const struct buffer *wanted) {
    char *got = malloc(wanted->length);
    assert_non_null(got);
    raw_read(fd, got, wanted->length);
    if (memcmp(got, wanted->data, wanted->length) != 0)
        fail_msg("'%.*s' came instead of '%.*s'", (int)wanted->length, got, (int)wanted->length,
                 wanted->data);
    free(got);
}

int read_elements(int fd, const struct answer *answer, int from, int until) {
    int step = answer->last >= answer->first ? 1 : -1;
    struct buffer wanted = {0};
    for (int element = from;; element += step) {
        answer->append(&wanted, element);
        if (element == until || wanted.length > READ_BATCH * 100) {
            expect_bytes(fd, &wanted);
            buffer_clear(&wanted);
        }
        if (element == until)
            break;
    }
    buffer_release(&wanted);
    return until + step;
}

void read_header(int fd, const struct answer *answer) {
    char header[32];
    (void)snprintf(header, sizeof(header), "%s%d\r\n", answer->type, answer->count);
    raw_expect(fd, header);
}

void read_answer(int fd, const struct answer *answer) {
    read_header(fd, answer);
    (void)read_elements(fd, answer, answer->first, answer->last);
}

// Reads a map as long as HELLO's.
void speak(int fd, int protocol) {
    char reply[4096];
    size_t length = 0;
    raw_send_text(fd, protocol == 3 ? "HELLO 3\r\nECHO end-of-greeting\r\n" : "ECHO end-of-greeting\r\n");
    do {
        assert_true(length < sizeof(reply) - 1);
        raw_read(fd, reply + length++, 1);
        reply[length] = '\0';
    } while (strstr(reply, "end-of-greeting\r\n") == NULL);
}

int connect_slowly(const struct test_server *address) {
    int size = SMALL_SOCKET;
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)address->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

void ask(int fd, const struct answer *answer, const char *behind) {
    struct buffer text = {0};
    buffer_append_format(&text, "%s\r\n%s", answer->command, behind);
    raw_send(fd, text.data, text.length);
    buffer_release(&text);
}

int begin_and_stall(const struct test_server *address, const struct answer *answer, const char *behind) {
    int fd = connect_slowly(address);
    speak(fd, answer->protocol);
    ask(fd, answer, behind);
    read_header(fd, answer);
    return fd;
}
