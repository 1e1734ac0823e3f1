// SPDX-License-Identifier: Apache-2.0
//
// SETBIT GETBIT BITCOUNT BITPOS. Uses: arguments, bitmap_bits, bitmap_offset, bitmap_segments, string_value.
#include "commands/arguments.h"
#include "commands/bitmap_bits.h"
#include "commands/bitmap_offset.h"
#include "commands/bitmap_segments.h"
#include "commands/handlers.h"
#include "commands/string_value.h"

void command_setbit(struct command_context *context) {
    static const char bit_error[] = "ERR bit is not an integer or out of range";
    uint64_t offset = 0;
    int64_t bit = 0;
    if (!bit_offset_argument(context, 2, 0, &offset) || !argument_integer_or(context, 3, &bit, bit_error))
        return;
    if (bit != 0 && bit != 1) {
        reply_error(context->reply, bit_error);
        return;
    }
    struct bytes key = context->arguments[1];
    struct store_value old;
    if (string_read_bits(context, key, &old) == VALUE_FAILED)
        return;
    uint64_t index = offset / 8;
    unsigned mask = 0x80U >> offset % 8;
    unsigned byte = index < old.payload.length ? (unsigned char)old.payload.data[index] : 0;
    char changed = (char)(bit == 1 ? byte | mask : byte & ~mask);
    uint64_t length = 0;
    if (string_stage_overwritten(context, key, &old, index, (struct bytes){&changed, 1}, &length))
        reply_integer(context->reply, (byte & mask) != 0);
    store_value_release(&old);
}

// A Kvrocks bitmap is not joined for one bit of it.
void command_getbit(struct command_context *context) {
    uint64_t offset = 0;
    if (!bit_offset_argument(context, 2, 0, &offset))
        return;
    struct bytes key = context->arguments[1];
    struct store_value value;
    enum value_status status = string_read_any(context, key, &value);
    if (status == VALUE_FAILED)
        return;
    enum value_type type = value.metadata.type;
    bool bit = false;
    if (status == VALUE_MISSING || type == VALUE_STRING) {
        bit = bits_get(value.payload, offset);
        reply_integer(context->reply, bit);
    } else if (type != VALUE_BITMAP) {
        reply_wrong_type(context);
    } else if (bitmap_segments_bit(context, key, &value.metadata, offset, &bit)) {
        reply_integer(context->reply, bit);
    }
    store_value_release(&value);
}

// A range as a client writes it: negative positions count from the end.
struct span {
    int64_t first, last;
    bool in_bits; // otherwise in bytes
};

static bool read_unit(struct command_context *context, size_t index, struct span *span) {
    span->in_bits = argument_is(context, index, "BIT");
    if (span->in_bits || argument_is(context, index, "BYTE"))
        return true;
    reply_syntax_error(context);
    return false;
}

static int64_t from_start(int64_t position, int64_t total) {
    if (position >= 0)
        return position;
    return position + total < 0 ? 0 : position + total;
}

// The bits of the span in a string of `length` bytes; false if there are none.
static bool span_bits(const struct span *span, size_t length, struct bit_range *range) {
    int64_t total = span->in_bits ? (int64_t)length * 8 : (int64_t)length;
    int64_t first = from_start(span->first, total);
    int64_t last = from_start(span->last, total);
    if (last >= total)
        last = total - 1;
    if (first > last)
        return false;
    range->first = (uint64_t)(span->in_bits ? first : first * 8);
    range->last = (uint64_t)(span->in_bits ? last : last * 8 + 7);
    return true;
}

// Nothing of a string lies between two positions from the end that are in the wrong order. Redis looks at
// that before it looks at the unit, and only in BITCOUNT.
static void count_span(struct command_context *context, struct bytes text) {
    struct span span = {.first = 0, .last = -1};
    if (context->count == 3 || context->count > 5) {
        reply_syntax_error(context);
        return;
    }
    if (context->count > 3 &&
        (!argument_integer(context, 2, &span.first) || !argument_integer(context, 3, &span.last)))
        return;
    if (span.last < 0 && span.first < 0 && span.first > span.last) {
        reply_integer(context->reply, 0);
        return;
    }
    if (context->count == 5 && !read_unit(context, 4, &span))
        return;
    struct bit_range range;
    bool any = span_bits(&span, text.length, &range);
    reply_integer(context->reply, any ? (int64_t)bits_count(text, range) : 0);
}

void command_bitcount(struct command_context *context) {
    struct store_value value;
    enum value_status status = string_read_bits(context, context->arguments[1], &value);
    if (status == VALUE_MISSING)
        reply_integer(context->reply, 0);
    if (status != VALUE_FOUND)
        return;
    count_span(context, value.payload);
    store_value_release(&value);
}

static bool read_position_span(struct command_context *context, struct span *span) {
    *span = (struct span){.first = 0, .last = -1};
    if (context->count > 6) {
        reply_syntax_error(context);
        return false;
    }
    return (context->count <= 3 || argument_integer(context, 3, &span->first)) &&
           (context->count <= 5 || read_unit(context, 5, span)) &&
           (context->count <= 4 || argument_integer(context, 4, &span->last));
}

// A string without a given end goes on with zeros for ever.
static void find_in_span(struct command_context *context, bool wanted, struct bytes text) {
    struct span span;
    struct bit_range range;
    if (!read_position_span(context, &span))
        return;
    if (!span_bits(&span, text.length, &range)) {
        reply_integer(context->reply, -1);
        return;
    }
    int64_t position = bits_find(text, range, wanted);
    bool end_given = context->count > 4;
    if (position < 0 && !wanted && !end_given)
        position = (int64_t)text.length * 8;
    reply_integer(context->reply, position);
}

void command_bitpos(struct command_context *context) {
    int64_t wanted = 0;
    if (!argument_integer(context, 2, &wanted))
        return;
    if (wanted != 0 && wanted != 1) {
        reply_error(context->reply, "ERR The bit argument must be 1 or 0.");
        return;
    }
    struct store_value value;
    enum value_status status = string_read_bits(context, context->arguments[1], &value);
    if (status == VALUE_MISSING)
        reply_integer(context->reply, wanted == 1 ? -1 : 0);
    if (status != VALUE_FOUND)
        return;
    find_in_span(context, wanted == 1, value.payload);
    store_value_release(&value);
}
