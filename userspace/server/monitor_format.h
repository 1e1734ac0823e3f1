// SPDX-License-Identifier: Apache-2.0
//
// One line of MONITOR, as Redis' clients and tools parse it. Pure. May use: base.
#ifndef KVFENCE_SERVER_MONITOR_FORMAT_H
#define KVFENCE_SERVER_MONITOR_FORMAT_H

#include "base/buffer.h"

#include <stdint.h>

struct monitor_line {
    int64_t wall_us; // when the command was run
    int database;
    const char *address; // the client's: "127.0.0.1:4711", or a socket's path
    bool is_unix_socket;
    const struct bytes *arguments;
    size_t count;
};

// Appends a whole status reply, ready to be sent:
//   +1700000000.123456 [0 127.0.0.1:4711] "get" "k\x00"\r\n
void monitor_format(struct buffer *out, const struct monitor_line *line);

// Appends the bytes in double quotes, with escapes for quotes, backslashes and whatever is not printable
// ASCII.
void monitor_format_quoted(struct buffer *out, struct bytes bytes);

#endif
