// SPDX-License-Identifier: Apache-2.0
//
// Reading the bounds of ranges as Redis does. Uses: arguments.
#include "base/buffer.h"
#include "commands/arguments.h"
#include "commands/zset_range.h"

#include <math.h>
#include <stdlib.h>

// Other than a score, a bound may begin with blanks, be too large for a double, which makes it infinite, and
// be empty, which is 0; and it ends at a NUL.
static bool read_score(struct bytes text, struct zset_bound *out) {
    struct buffer copy = {0};
    char *end = NULL;
    out->is_excluded = text.length != 0 && text.data[0] == '(';
    buffer_append(&copy, (struct bytes){text.data + out->is_excluded, text.length - out->is_excluded});
    buffer_append(&copy, (struct bytes){"", 1});
    out->score = strtod(copy.data, &end);
    bool is_whole = *end == '\0' && !isnan(out->score);
    buffer_release(&copy);
    return is_whole;
}

static bool read_scores(struct command_context *context, size_t min, size_t max, struct zset_range *range) {
    if (read_score(context->arguments[min], &range->min) && read_score(context->arguments[max], &range->max))
        return true;
    reply_error(context->reply, "ERR min or max is not a float");
    return false;
}

bool zset_range_read_member(struct bytes text, struct zset_bound *out) {
    if (text.length == 0)
        return false;
    bool is_alone = text.length == 1 || text.data[1] == '\0';
    out->is_excluded = text.data[0] != '[';
    switch (text.data[0]) {
    case '-':
        out->place = ZSET_PLACE_LEAST;
        return is_alone;
    case '+':
        out->place = ZSET_PLACE_GREATEST;
        return is_alone;
    case '[':
    case '(':
        out->place = ZSET_PLACE_MEMBER;
        out->member = (struct bytes){text.data + 1, text.length - 1};
        return true;
    default:
        return false;
    }
}

static bool read_members(struct command_context *context, size_t min, size_t max, struct zset_range *range) {
    if (zset_range_read_member(context->arguments[min], &range->min) &&
        zset_range_read_member(context->arguments[max], &range->max))
        return true;
    reply_error(context->reply, "ERR min or max not valid string range item");
    return false;
}

bool zset_range_read(struct command_context *context, size_t min, size_t max, struct zset_range *range) {
    if (range->kind == ZSET_BY_SCORE)
        return read_scores(context, min, max, range);
    if (range->kind == ZSET_BY_LEX)
        return read_members(context, min, max, range);
    return argument_integer(context, min, &range->start) && argument_integer(context, max, &range->stop);
}
