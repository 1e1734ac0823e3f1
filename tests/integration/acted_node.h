// SPDX-License-Identifier: Apache-2.0
//
// A node that the test plays itself: listens, takes one connection after the other, and answers each request
// as the test's function does. May use: cmocka.
#ifndef KVFENCE_INTEGRATION_ACTED_NODE_H
#define KVFENCE_INTEGRATION_ACTED_NODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { ACTED_WORDS_MAX = 64, ACTED_WORD_SIZE = 256 };

// A request is at least one word, each ended by '\0'. False hangs up.
typedef bool acted_answer(void *context, int fd, char words[ACTED_WORDS_MAX][ACTED_WORD_SIZE]);

struct acted_node {
    int port;
    atomic_bool refuses_connections;
    atomic_bool is_ending; // for answers that wait
    // Its own:
    int listener;
    bool is_playing;
    pthread_t thread;
    acted_answer *answer;
    void *context;
};

// From here on others can connect, and wait.
void acted_node_listen(struct acted_node *node);
// From here on they are answered, on a thread of its own.
void acted_node_play(struct acted_node *node, acted_answer *answer, void *context);
// Once nobody is connected any more.
void acted_node_end(struct acted_node *node);

// For answers. False: the connection is gone.
bool acted_node_say(int fd, const char *text);

#endif
