// SPDX-License-Identifier: Apache-2.0
//
// Clients that write without end, each write a key of its own, and remember of each when it was sent and what
// came of it. Each is a thread. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_WRITERS_H
#define KVFENCE_TESTS_INTEGRATION_WRITERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum writer_kind {
    WRITER_SINGLE, // one write at a time
    WRITER_QUEUE,  // several at once
    WRITER_WAITING // one at a time, each followed by WAIT 1
};

enum write_outcome { WRITE_UNKNOWN, WRITE_ACKNOWLEDGED, WRITE_REFUSED };

// Times are CLOCK_BOOTTIME.
struct write {
    uint64_t sent_ns;     // before it was
    uint64_t answered_ns; // when the answer reached this host; 0: that is not known, as another followed it
    enum write_outcome outcome;
    bool is_replicated; // WAIT has said so
};

enum { WRITER_KEY_SIZE = 64 };

struct writer {
    // By the test, before it is started:
    int place, target; // of the network
    int port;
    enum writer_kind kind;
    unsigned round, number; // its keys are named after them
    // Its own:
    pthread_t thread;
    _Atomic bool *is_finished;
    int fd; // -1: not connected
    struct write *writes;
    size_t count, room;
    _Atomic size_t acknowledged, answered; // so far
    const char *problem;                   // of the thread itself; NULL: none
};

// Starts the thread, which works until *is_finished.
void writer_start(struct writer *writer, _Atomic bool *is_finished);
// When *is_finished is set: waits for the thread, and fails the test if something was wrong with it.
void writer_join(struct writer *writer);
void writer_release(struct writer *writer);
// The name of the key that a write set, which is the value as well. All keys are in one slot.
void writer_key(const struct writer *writer, size_t write, char key[WRITER_KEY_SIZE]);

uint64_t writer_now_ns(void);

#endif
