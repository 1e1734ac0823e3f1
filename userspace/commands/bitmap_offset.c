// SPDX-License-Identifier: Apache-2.0
//
// Bit offsets. Uses: number, string_value.
#include "commands/bitmap_offset.h"

#include "base/number.h"
#include "commands/string_value.h"

bool bit_offset_argument(struct command_context *context, size_t index, unsigned width, uint64_t *offset) {
    struct bytes text = context->arguments[index];
    uint64_t value = 0;
    bool counted = width != 0 && text.length > 0 && text.data[0] == '#';
    if (counted)
        text = (struct bytes){text.data + 1, text.length - 1};
    if (number_read_unsigned(text, &value) && !__builtin_mul_overflow(value, counted ? width : 1, &value) &&
        value / 8 < string_length_limit(context)) {
        *offset = value;
        return true;
    }
    reply_error(context->reply, "ERR bit offset is not an integer or out of range");
    return false;
}
