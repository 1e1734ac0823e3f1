// SPDX-License-Identifier: Apache-2.0
//
// Cursors as clients see them, and the options beside them. Uses: base, arguments,
// server/{config,scan_cursors,server}.
#include "commands/scan_cursor.h"

#include "base/number.h"
#include "commands/arguments.h"
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

bool scan_options_read(struct command_context *context, size_t index, bool has_type,
                       struct scan_options *options) {
    enum { DEFAULT_COUNT = 10 };
    *options = (struct scan_options){.count = DEFAULT_COUNT};
    for (size_t i = index; i < context->count; i += 2) {
        bool has_value = i + 1 < context->count;
        if (has_value && argument_is(context, i, "COUNT")) {
            if (!argument_integer(context, i + 1, &options->count))
                return false;
            if (options->count >= 1)
                continue;
        } else if (has_value && argument_is(context, i, "MATCH")) {
            options->pattern = context->arguments[i + 1];
            continue;
        } else if (has_value && has_type && argument_is(context, i, "TYPE")) {
            options->type = context->arguments[i + 1];
            continue;
        }
        reply_syntax_error(context);
        return false;
    }
    return true;
}
