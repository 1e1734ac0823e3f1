// SPDX-License-Identifier: Apache-2.0
//
// Cursors as clients see them. Uses: base, server/{config,scan_cursors,server}.
#include "commands/scan_cursor.h"

#include "base/number.h"
#include "server/scan_cursors.h"
#include "server/server.h"

enum { KEY_CURSOR_MARK = '_' }; // in front of a cursor that is a key and no number

bool scan_cursor_read(struct command_context *context, size_t index, struct buffer *last, bool *resumes) {
    struct bytes cursor = context->arguments[index];
    uint64_t number = 0;
    if (cursor.length > 0 && cursor.data[0] == KEY_CURSOR_MARK) {
        buffer_append(last, (struct bytes){.data = cursor.data + 1, .length = cursor.length - 1});
        *resumes = true;
        return true;
    }
    if (number_read_unsigned(cursor, &number)) {
        *resumes = number != 0;
        if (number == 0 || scan_cursors_find(context->server->scan_cursors, number, last))
            return true;
    }
    reply_error(context->reply, "ERR invalid cursor");
    return false;
}

void scan_cursor_reply(struct command_context *context, struct bytes last) {
    struct buffer cursor = {0};
    if (config_yes(context->server->config, CONFIG_REDIS_CURSOR_COMPATIBLE)) {
        uint64_t number = scan_cursors_put(context->server->scan_cursors, last);
        buffer_append_format(&cursor, "%llu", (unsigned long long)number);
    } else {
        const char mark = KEY_CURSOR_MARK;
        buffer_append(&cursor, (struct bytes){.data = &mark, .length = 1});
        buffer_append(&cursor, last);
    }
    reply_bulk(context->reply, buffer_bytes(&cursor));
    buffer_release(&cursor);
}
