// SPDX-License-Identifier: Apache-2.0
//
// The threads. They judge nothing, and call nothing of cmocka's. Uses: the network.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "writers.h"

#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { QUEUE_LENGTH = 8, STEP_MS = 20, PAUSE_MS = 1, WAIT_MS = 100, ANSWERS_SIZE = 8192 };

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t writer_now_ns(void) {
    return read_clock(CLOCK_BOOTTIME);
}

void writer_key(const struct writer *writer, size_t write, char key[WRITER_KEY_SIZE]) {
    (void)snprintf(key, WRITER_KEY_SIZE, "{bar}%u-%u-%zu", writer->round, writer->number, write);
}

// --- The connection ---

static void hang_up(struct writer *writer) {
    if (writer->fd >= 0)
        (void)close(writer->fd);
    writer->fd = -1;
}

static bool finish_dialling(const struct writer *writer, int fd) {
    int problem = 0;
    socklen_t size = sizeof(problem);
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    while (!atomic_load(writer->is_finished)) {
        if (poll(&ready, 1, STEP_MS) > 0)
            return getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 && problem == 0;
    }
    return false;
}

static void dial(struct writer *writer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)writer->port)};
    int on = 1;
    writer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)inet_pton(AF_INET, network_address(writer->target), &address.sin_addr);
    if (writer->fd < 0 || setsockopt(writer->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0)
        writer->problem = "a socket that stamps what arrives could not be made";
    else if ((connect(writer->fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
              errno == EINPROGRESS) &&
             finish_dialling(writer, writer->fd))
        return;
    hang_up(writer);
}

// --- Writing ---

static bool append_writes(struct writer *writer, size_t count) {
    if (writer->count + count > writer->room) {
        size_t room = writer->room * 2 + 1024;
        struct write *writes = realloc(writer->writes, room * sizeof(*writes));
        if (writes == NULL)
            return false;
        writer->writes = writes;
        writer->room = room;
    }
    for (size_t i = 0; i < count; i++)
        writer->writes[writer->count++] = (struct write){.sent_ns = 0};
    return true;
}

// False: the connection has ended. So little always finds room in the socket.
static bool send_writes(struct writer *writer, size_t first, size_t count) {
    char text[QUEUE_LENGTH * (2 * WRITER_KEY_SIZE + 16) + 32];
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        char key[WRITER_KEY_SIZE];
        writer_key(writer, first + i, key);
        // Not inline, so that the kernel's fence can read it.
        length += (size_t)snprintf(text + length, sizeof(text) - length,
                                   "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(key), key,
                                   strlen(key), key);
    }
    if (writer->kind == WRITER_WAITING)
        length += (size_t)snprintf(text + length, sizeof(text) - length,
                                   "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$3\r\n%d\r\n", WAIT_MS);
    uint64_t now_ns = writer_now_ns();
    for (size_t i = 0; i < count; i++)
        writer->writes[first + i].sent_ns = now_ns;
    return send(writer->fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}

// --- Answers ---

// When what was received last reached this host, by the kernel's stamp, which is wall-clock time.
static uint64_t arrival_ns(struct msghdr *message) {
    uint64_t now_ns = writer_now_ns();
    uint64_t wall_ns = read_clock(CLOCK_REALTIME);
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        struct timespec stamp;
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SO_TIMESTAMPNS)
            continue;
        memcpy(&stamp, CMSG_DATA(part), sizeof(stamp));
        uint64_t stamp_ns = (uint64_t)stamp.tv_sec * 1000000000 + (uint64_t)stamp.tv_nsec;
        return stamp_ns == 0 || stamp_ns > wall_ns ? now_ns : now_ns - (wall_ns - stamp_ns);
    }
    return now_ns;
}

// Waits for some bytes, into what is `part`. 0: the connection has ended, or the test.
static size_t receive(const struct writer *writer, struct iovec part, uint64_t *at_ns) {
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct pollfd ready = {.fd = writer->fd, .events = POLLIN};
    while (poll(&ready, 1, STEP_MS) <= 0) {
        if (atomic_load(writer->is_finished))
            return 0;
    }
    ssize_t count = recvmsg(writer->fd, &message, 0);
    *at_ns = arrival_ns(&message);
    return count > 0 ? (size_t)count : 0;
}

struct answers {
    char text[ANSWERS_SIZE];
    size_t length;
    size_t next; // which write is answered next
    size_t end;  // behind the last one
};

static void take_answer(struct writer *writer, struct answers *answers, char kind, long number,
                        uint64_t at_ns) {
    struct write *write = &writer->writes[answers->next];
    if (answers->next == answers->end) { // WAIT's
        write[-1].is_replicated = kind == ':' && number >= 1;
        return;
    }
    answers->next++;
    write->outcome = kind == '+' ? WRITE_ACKNOWLEDGED : WRITE_REFUSED;
    write->answered_ns = at_ns;
    atomic_fetch_add(&writer->answered, 1);
    atomic_fetch_add(&writer->acknowledged, kind == '+');
}

// All lines that are whole. Returns how many; `at_ns` is the last one's.
static size_t take_lines(struct writer *writer, struct answers *answers, uint64_t at_ns) {
    size_t taken = 0;
    char *line = answers->text;
    char *end = NULL;
    bool is_uniform = true; // what came at once was said at once, but for errors, which come by themselves
    for (size_t i = 0; i + 1 < answers->length; i++)
        is_uniform = is_uniform && (answers->text[i] != '\n' || answers->text[i + 1] == answers->text[0]);
    while ((end = memchr(line, '\n', answers->length - (size_t)(line - answers->text))) != NULL) {
        take_answer(writer, answers, line[0], strtol(line + 1, NULL, 10), is_uniform ? at_ns : 0);
        line = end + 1;
        taken++;
    }
    answers->length -= (size_t)(line - answers->text);
    memmove(answers->text, line, answers->length);
    return taken;
}

static bool await_answers(struct writer *writer, size_t first, size_t count) {
    struct answers answers = {.next = first, .end = first + count};
    size_t wanted = count + (writer->kind == WRITER_WAITING);
    while (wanted > 0) {
        uint64_t at_ns = 0;
        struct iovec room = {answers.text + answers.length, sizeof(answers.text) - answers.length};
        size_t received = receive(writer, room, &at_ns);
        if (received == 0)
            return false;
        answers.length += received;
        wanted -= take_lines(writer, &answers, at_ns);
    }
    return true;
}

// --- The thread ---

static void write_some(struct writer *writer) {
    size_t count = writer->kind == WRITER_QUEUE ? QUEUE_LENGTH : 1;
    size_t first = writer->count;
    if (!append_writes(writer, count))
        writer->problem = "there is no memory";
    else if (!send_writes(writer, first, count) || !await_answers(writer, first, count))
        hang_up(writer);
}

static void *run(void *argument) {
    struct writer *writer = argument;
    network_go(writer->place);
    while (!atomic_load(writer->is_finished) && writer->problem == NULL) {
        if (writer->fd < 0)
            dial(writer);
        if (writer->fd >= 0)
            write_some(writer);
        (void)poll(NULL, 0, PAUSE_MS);
    }
    hang_up(writer);
    return NULL;
}

void writer_start(struct writer *writer, _Atomic bool *is_finished) {
    writer->is_finished = is_finished;
    writer->fd = -1;
    assert_int_equal(pthread_create(&writer->thread, NULL, run, writer), 0);
}

void writer_join(struct writer *writer) {
    assert_int_equal(pthread_join(writer->thread, NULL), 0);
    if (writer->problem != NULL)
        fail_msg("writer %u: %s", writer->number, writer->problem);
}

void writer_release(struct writer *writer) {
    free(writer->writes);
    writer->writes = NULL;
}
