// SPDX-License-Identifier: Apache-2.0
//
// RESP2 and RESP3 replies, appended to an output. What RESP2 lacks is written as what Redis writes there
// (maps as flat arrays, doubles as bulk strings, null as $-1). Not thread-safe. May use: base, server/output.
// Protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/
#ifndef KVFENCE_SERVER_REPLY_H
#define KVFENCE_SERVER_REPLY_H

#include "base/bytes.h"
#include "server/output.h"

#include <stdint.h>

struct reply {
    struct output output;
    uint64_t errors;  // error replies written so far: the dispatcher compares before and after a command
    uint8_t protocol; // 2 or 3
    char last_error_code[32]; // first word of the newest error ("ERR", "WRONGTYPE"), for the error statistics
};

void reply_status(struct reply *reply, const char *text); // +text, which holds no line break
void reply_ok(struct reply *reply);
// `text` starts with the code word and has no leading '-' ("ERR syntax error"). Line breaks and other control
// bytes become blanks.
void reply_error(struct reply *reply, const char *text);
__attribute__((format(printf, 2, 3))) void reply_error_format(struct reply *reply, const char *format, ...);
void reply_integer(struct reply *reply, int64_t value);
void reply_bulk(struct reply *reply, struct bytes bytes);
void reply_bulk_text(struct reply *reply, const char *text);
void reply_bulk_integer(struct reply *reply, int64_t value); // as a bulk string
// A bulk string that is not copied if it is big: `bytes` stay valid until release(owner), which is called
// exactly once, maybe at once.
void reply_bulk_owned(struct reply *reply, struct bytes bytes, void (*release)(void *owner), void *owner);
void reply_null(struct reply *reply);       // $-1 or _
void reply_null_array(struct reply *reply); // *-1 or _
void reply_array(struct reply *reply, size_t count);
void reply_map(struct reply *reply, size_t pairs);
void reply_set(struct reply *reply, size_t count);
void reply_push(struct reply *reply, size_t count);  // what nobody has asked for; RESP2: an array
void reply_boolean(struct reply *reply, bool value); // RESP2: 1 or 0
void reply_double(struct reply *reply, double value);
void reply_verbatim(struct reply *reply, const char *format3,
                    struct bytes text); // RESP2: bulk; format3 as "txt"

// An array, map or set whose count is known only at the end: begin, write the elements, end with the count.
struct output_block *reply_deferred_begin(struct reply *reply);
void reply_array_end(struct reply *reply, struct output_block *deferred, size_t count);
void reply_map_end(struct reply *reply, struct output_block *deferred, size_t pairs);
void reply_set_end(struct reply *reply, struct output_block *deferred, size_t count);

#endif
