// SPDX-License-Identifier: Apache-2.0
//
// The listening, and the reading of requests.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acted_node.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// *3\r\n $3\r\nSET\r\n ...
static bool read_words(FILE *in, char words[ACTED_WORDS_MAX][ACTED_WORD_SIZE]) {
    char line[64];
    if (fgets(line, sizeof(line), in) == NULL || line[0] != '*')
        return false;
    long count = strtol(line + 1, NULL, 10);
    for (long i = 0; i < count; i++) {
        if (i >= ACTED_WORDS_MAX || fgets(line, sizeof(line), in) == NULL || line[0] != '$')
            return false;
        size_t length = (size_t)strtol(line + 1, NULL, 10);
        if (length >= ACTED_WORD_SIZE || fread(words[i], 1, length, in) != length ||
            fgets(line, sizeof(line), in) == NULL)
            return false;
        words[i][length] = '\0';
    }
    return count > 0;
}

static void serve_link(struct acted_node *node, int fd) {
    char words[ACTED_WORDS_MAX][ACTED_WORD_SIZE] = {""};
    FILE *in = fdopen(fd, "r");
    assert_non_null(in);
    bool goes_on = true;
    while (goes_on && read_words(in, words))
        goes_on = node->answer(node->context, fd, words);
    (void)fclose(in);
}

static void *serve(void *argument) {
    struct acted_node *node = argument;
    struct pollfd poll_fd = {.fd = node->listener, .events = POLLIN};
    while (!atomic_load(&node->is_ending)) {
        if (poll(&poll_fd, 1, 20) <= 0)
            continue;
        int fd = accept(node->listener, NULL, NULL);
        if (fd >= 0 && atomic_load(&node->refuses_connections))
            (void)close(fd);
        else if (fd >= 0)
            serve_link(node, fd);
    }
    return NULL;
}

void acted_node_listen(struct acted_node *node) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    node->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(node->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(node->listener, 8), 0);
    assert_int_equal(getsockname(node->listener, (struct sockaddr *)&address, &length), 0);
    node->port = ntohs(address.sin_port);
}

void acted_node_play(struct acted_node *node, acted_answer *answer, void *context) {
    node->answer = answer;
    node->context = context;
    assert_int_equal(pthread_create(&node->thread, NULL, serve, node), 0);
    node->is_playing = true;
}

void acted_node_end(struct acted_node *node) {
    atomic_store(&node->is_ending, true);
    if (node->is_playing)
        (void)pthread_join(node->thread, NULL);
    (void)close(node->listener);
}

bool acted_node_say(int fd, const char *text) {
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}
