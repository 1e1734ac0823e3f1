// SPDX-License-Identifier: Apache-2.0
//
// DEBUG: aids for tests of this server and of clients. Uses: arguments, container, store/session.
#include "commands/arguments.h"
#include "commands/container.h"
#include "commands/handlers.h"
#include "store/digest.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

// Stops this client's worker, and with it the clients that it serves, as a very slow command would. Other
// workers go on.
void command_debug_sleep(struct command_context *context) {
    long double seconds = 0;
    if (!argument_float(context, 2, &seconds))
        return;
    if (seconds < 0 || seconds > 86400) {
        reply_error(context->reply, "ERR seconds must be between 0 and 86400");
        return;
    }
    struct timespec left = {.tv_sec = (time_t)seconds};
    left.tv_nsec = (long)((seconds - (long double)left.tv_sec) * 1e9L);
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    reply_ok(context->reply);
}

void command_debug_object(struct command_context *context) {
    struct store_value value;
    enum store_status status = store_read(context->session, context->arguments[2], context->now, &value);
    if (status == STORE_NOT_FOUND) {
        reply_error(context->reply, "ERR no such key");
        return;
    }
    if (status != STORE_OK) {
        reply_store_error(context, status);
        return;
    }
    char line[160];
    (void)snprintf(line, sizeof(line),
                   "Value at:0x0 refcount:1 encoding:%s serializedlength:%zu lru:0 lru_seconds_idle:0",
                   value.metadata.type == VALUE_STRING ? "raw" : value_type_name(value.metadata.type),
                   value.raw.length);
    store_value_release(&value);
    reply_status(context->reply, line);
}

// Other clients of the worker wait for it.
void command_debug_digest(struct command_context *context) {
    char text[DIGEST_TEXT_SIZE];
    enum store_status status = store_digest(context->session, context->now, text);
    if (status == STORE_OK)
        reply_status(context->reply, text);
    else
        reply_store_error(context, status);
}

// Expired keys are invisible at once and reclaimed by compaction; there is nothing to switch.
void command_debug_set_active_expire(struct command_context *context) {
    int64_t on = 0;
    if (argument_integer(context, 2, &on))
        reply_ok(context->reply);
}

// --- PROTOCOL ---

static void protocol_string(struct reply *reply) {
    reply_bulk_text(reply, "Hello World");
}

static void protocol_integer(struct reply *reply) {
    reply_integer(reply, 12345);
}

static void protocol_double(struct reply *reply) {
    reply_double(reply, 3.141);
}

static void protocol_array(struct reply *reply) {
    reply_array(reply, 3);
    for (int64_t i = 0; i < 3; i++)
        reply_integer(reply, i);
}

static void protocol_set(struct reply *reply) {
    reply_set(reply, 3);
    for (int64_t i = 0; i < 3; i++)
        reply_integer(reply, i);
}

static void protocol_map(struct reply *reply) {
    reply_map(reply, 3);
    for (int64_t i = 0; i < 3; i++) {
        reply_integer(reply, i);
        reply_boolean(reply, i == 1);
    }
}

static void protocol_verbatim(struct reply *reply) {
    reply_verbatim(reply, "txt", BYTES_LITERAL("This is a verbatim\nstring"));
}

static void protocol_true(struct reply *reply) {
    reply_boolean(reply, true);
}

static void protocol_false(struct reply *reply) {
    reply_boolean(reply, false);
}

// The values are those of Redis' DEBUG PROTOCOL, which tests of clients compare with.
void command_debug_protocol(struct command_context *context) {
    static const struct {
        const char *name;
        void (*write)(struct reply *reply);
    } replies[] = {{"string", protocol_string}, {"integer", protocol_integer},   {"double", protocol_double},
                   {"null", reply_null},        {"array", protocol_array},       {"set", protocol_set},
                   {"map", protocol_map},       {"verbatim", protocol_verbatim}, {"true", protocol_true},
                   {"false", protocol_false}};
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        if (argument_is(context, 2, replies[i].name)) {
            replies[i].write(context->reply);
            return;
        }
    }
    reply_error(context->reply, "ERR Wrong protocol type name. Please use one of the following: "
                                "string|integer|double|null|array|set|map|verbatim|true|false");
}
