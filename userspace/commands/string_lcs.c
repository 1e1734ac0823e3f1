// SPDX-License-Identifier: Apache-2.0
//
// LCS. Uses: arguments, lcs, string_value.
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/lcs.h"
#include "commands/string_value.h"

#include <stdlib.h>

struct lcs_request {
    bool length_only;
    bool positions;
    bool with_match_length;
    int64_t minimal_length;
};

static bool parse_options(struct command_context *context, struct lcs_request *request) {
    for (size_t i = 3; i < context->count; i++) {
        if (argument_is(context, i, "IDX")) {
            request->positions = true;
        } else if (argument_is(context, i, "LEN")) {
            request->length_only = true;
        } else if (argument_is(context, i, "WITHMATCHLEN")) {
            request->with_match_length = true;
        } else if (argument_is(context, i, "MINMATCHLEN") && i + 1 < context->count) {
            if (!argument_integer(context, ++i, &request->minimal_length))
                return false;
        } else {
            reply_syntax_error(context);
            return false;
        }
    }
    if (request->positions && request->length_only) {
        reply_error(context->reply, "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static void reply_range(struct command_context *context, uint32_t first, uint32_t last) {
    reply_array(context->reply, 2);
    reply_integer(context->reply, first);
    reply_integer(context->reply, last);
}

static void reply_positions(struct command_context *context, const struct lcs_request *request,
                            struct lcs *lcs) {
    reply_map(context->reply, 2);
    reply_bulk_text(context->reply, "matches");
    struct output_block *matches = reply_deferred_begin(context->reply);
    size_t count = 0;
    struct lcs_match match;
    while (lcs_next_match(lcs, &match)) {
        int64_t length = (int64_t)match.a_last - match.a_first + 1;
        if (length < request->minimal_length)
            continue;
        reply_array(context->reply, request->with_match_length ? 3 : 2);
        reply_range(context, match.a_first, match.a_last);
        reply_range(context, match.b_first, match.b_last);
        if (request->with_match_length)
            reply_integer(context->reply, length);
        count++;
    }
    reply_array_end(context->reply, matches, count);
    reply_bulk_text(context->reply, "len");
    reply_integer(context->reply, lcs_length(lcs));
}

static void reply_text(struct command_context *context, struct lcs *lcs) {
    size_t length = lcs_length(lcs);
    char *text = memory_try_allocate(length);
    if (text == NULL) {
        reply_error(context->reply, "ERR Insufficient memory, failed allocating transient memory for LCS");
        return;
    }
    lcs_text(lcs, text);
    reply_bulk_owned(context->reply, (struct bytes){text, length}, free, text);
}

static void reply_lcs(struct command_context *context, const struct lcs_request *request, struct bytes a,
                      struct bytes b) {
    if (lcs_table_size(a.length, b.length) > string_length_limit(context)) {
        reply_error(context->reply,
                    "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
        return;
    }
    struct lcs *lcs = lcs_open(a, b);
    if (lcs == NULL) {
        reply_error(context->reply, "ERR Insufficient memory, failed allocating transient memory for LCS");
        return;
    }
    if (request->positions)
        reply_positions(context, request, lcs);
    else if (request->length_only)
        reply_integer(context->reply, lcs_length(lcs));
    else
        reply_text(context, lcs);
    lcs_close(lcs);
}

static enum value_status read_input(struct command_context *context, size_t index,
                                    struct store_value *value) {
    return string_read_or(context, context->arguments[index],
                          "ERR The specified keys must contain string values", value);
}

void command_lcs(struct command_context *context) {
    struct lcs_request request = {0};
    struct store_value a;
    struct store_value b;
    if (read_input(context, 1, &a) == VALUE_FAILED)
        return;
    if (read_input(context, 2, &b) != VALUE_FAILED) {
        if (parse_options(context, &request))
            reply_lcs(context, &request, a.payload, b.payload);
        store_value_release(&b);
    }
    store_value_release(&a);
}
