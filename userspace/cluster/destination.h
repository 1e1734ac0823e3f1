// SPDX-License-Identifier: Apache-2.0
//
// A blocking connection to the node that slots go to: commands are collected and sent together, and each of
// their replies is looked at. Waits are given up when the time is over or somebody cancels. Not thread-safe.
// May use: base.
#ifndef KVFENCE_CLUSTER_DESTINATION_H
#define KVFENCE_CLUSTER_DESTINATION_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

struct destination;

struct destination_config {
    const char *host;
    uint16_t port;
    int timeout_ms; // for each wait
    bool (*is_cancelled)(void *context);
    void *context;
};

enum { DESTINATION_ERROR_SIZE = 512 };
// NULL with a reason.
struct destination *destination_connect(const struct destination_config *config,
                                        char error[DESTINATION_ERROR_SIZE]);
void destination_close(struct destination *destination);

// A command: its words, then its end.
void destination_add(struct destination *destination, struct bytes word);
void destination_add_text(struct destination *destination, const char *word);
void destination_add_number(struct destination *destination, int64_t number);
void destination_end(struct destination *destination);

// Lets so much time pass, or less if somebody cancels.
void destination_pause(const struct destination *destination, uint64_t microseconds);

// What has been collected since the last flush.
size_t destination_commands(const struct destination *destination);
size_t destination_bytes(const struct destination *destination);

enum destination_result {
    DESTINATION_TOOK_ALL,
    DESTINATION_REFUSED, // the error is its first error reply
    DESTINATION_LOST     // there may or may not have been a reply: the connection is of no more use
};
// Sends what has been collected and waits for all replies. `text` (may be NULL): receives the last one's, if
// that is a bulk string.
enum destination_result destination_flush(struct destination *destination, struct buffer *text,
                                          char error[DESTINATION_ERROR_SIZE]);

#endif
