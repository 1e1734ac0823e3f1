// SPDX-License-Identifier: Apache-2.0
//
// The cursors of SCAN, HSCAN, SSCAN and ZSCAN: each stands for the name after which to go on, so that
// whatever happens to others between two calls, one that lives through the whole scan is met. May use: base,
// server/command.
#ifndef KVFENCE_COMMANDS_SCAN_CURSOR_H
#define KVFENCE_COMMANDS_SCAN_CURSOR_H

#include "base/buffer.h"
#include "server/command.h"

// Reads argument `index`: *resumes, and the name after which to go on is appended to `last`; or from the
// beginning. Both kinds of cursor are understood whichever is handed out, so that a scan survives a change of
// redis-cursor-compatible. False: the error reply is written.
bool scan_cursor_read(struct command_context *context, size_t index, struct buffer *last, bool *resumes);

// What may follow the cursor: MATCH pattern, COUNT count, and for SCAN alone TYPE type.
struct scan_options {
    struct bytes pattern, type; // NULL data: not given
    int64_t count;              // how many are looked at
};
// Reads them from argument `index` on. False: the error reply is written.
bool scan_options_read(struct command_context *context, size_t index, bool has_type,
                       struct scan_options *options);

// Replies with a cursor that stands for `last`.
void scan_cursor_reply(struct command_context *context, struct bytes last);

#endif
