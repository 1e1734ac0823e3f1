// SPDX-License-Identifier: Apache-2.0
//
// What the commands' arguments have in common: numbers, options and expiry times, and the error replies for
// those that cannot be understood. A function that returns false has written the error reply, unless it says
// otherwise. May use: base, server/command.
#ifndef KVFENCE_COMMANDS_ARGUMENTS_H
#define KVFENCE_COMMANDS_ARGUMENTS_H

#include "server/command.h"

#include <stdint.h>

#define WRONG_TYPE_ERROR "WRONGTYPE Operation against a key holding the wrong kind of value"

void reply_syntax_error(struct command_context *context);
void reply_wrong_type(struct command_context *context);
// "ERR wrong number of arguments for 'mset' command".
void reply_arity_error(struct command_context *context);
// The reply for a store_status that is none of STORE_OK and STORE_NOT_FOUND.
void reply_store_error(struct command_context *context, enum store_status status);

// True if argument `index` exists and is `word` in any case. Writes nothing.
bool argument_is(const struct command_context *context, size_t index, const char *word);
bool argument_integer(struct command_context *context, size_t index, int64_t *out);
// The same with an error text of the command's own.
bool argument_integer_or(struct command_context *context, size_t index, int64_t *out, const char *error);
// The same for a number that must be above 0.
bool argument_positive(struct command_context *context, size_t index, int64_t *out, const char *error);
// The same for one that must not be below 0.
bool argument_not_negative(struct command_context *context, size_t index, int64_t *out, const char *error);
// How many keys follow: "ERR numkeys should be greater than 0".
bool argument_key_count(struct command_context *context, size_t index, size_t *out);
bool argument_float(struct command_context *context, size_t index, long double *out);

// A value read from the database, as INCR and INCRBYFLOAT need it: the same errors.
bool value_integer(struct command_context *context, struct bytes text, int64_t *out);
bool value_float(struct command_context *context, struct bytes text, long double *out);

enum expiry_option {
    EXPIRY_UNCHANGED, // none was given
    EXPIRY_EX,        // seconds from now
    EXPIRY_PX,        // milliseconds from now
    EXPIRY_EXAT,      // Unix time in seconds
    EXPIRY_PXAT,      // Unix time in milliseconds
    EXPIRY_KEEPTTL,
    EXPIRY_PERSIST
};

// Zero-initialised: none was given.
struct expiry {
    enum expiry_option option;
    size_t amount_index; // of the argument that holds the time; 0 for the options that have none
};
// True if the option names a time: EX, PX, EXAT, PXAT.
bool expiry_has_time(const struct expiry *expiry);

// Which of the two options without a time a command knows.
enum { EXPIRY_ALLOW_KEEPTTL = 1, EXPIRY_ALLOW_PERSIST = 2 };
// If argument *index is an expiry option that may stand here (no other one was given before, its time
// follows), takes it and moves *index to its last argument. Otherwise returns false and writes nothing: the
// caller tries its other options and ends with a syntax error.
bool expiry_take_option(const struct command_context *context, size_t *index, unsigned allowed,
                        struct expiry *expiry);

// When a key dies that was given the time in argument `index`, which counts as `option` (one with a time)
// says. "ERR invalid expire time in '...' command" if it cannot be represented or, with must_be_positive, is
// 0 or less; "ERR value is not an integer or out of range" if it is no number. *expire_ms may lie in the
// past.
bool expiry_argument_time(struct command_context *context, size_t index, enum expiry_option option,
                          bool must_be_positive, wall_ms_t *expire_ms);
// The same for an option that was taken; leaves *expire_ms alone if it has no time.
bool expiry_time(struct command_context *context, const struct expiry *expiry, wall_ms_t *expire_ms);

#endif
