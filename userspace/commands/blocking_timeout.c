// SPDX-License-Identifier: Apache-2.0
//
// Uses: base/number.
#include "commands/blocking_timeout.h"

#include "base/number.h"

#include <math.h>

bool blocking_timeout(struct command_context *context, size_t index, uint64_t *timeout_ms) {
    long double seconds = 0;
    const char *error = NULL;
    bool is_number = number_read_float(context->arguments[index], &seconds);
    long double milliseconds = ceill(seconds * 1000);
    if (!is_number)
        error = "ERR timeout is not a float or out of range";
    else if (milliseconds > (long double)(INT64_MAX - context->now))
        error = "ERR timeout is out of range";
    else if (milliseconds < 0)
        error = "ERR timeout is negative";
    if (error != NULL) {
        reply_error(context->reply, error);
        return false;
    }
    *timeout_ms = (uint64_t)milliseconds;
    return true;
}
