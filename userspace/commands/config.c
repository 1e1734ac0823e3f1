// SPDX-License-Identifier: Apache-2.0
//
// CONFIG: the configuration as clients read and change it. Uses: base, commands/arguments, server/config,
// server/server.
#include "server/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "server/server.h"

#include <stdlib.h>

// What CONFIG GET has answered so far. A name that several patterns match is answered once.
struct answer {
    struct reply *reply;
    const char **names;    // config's own, so equal names are equal pointers
    size_t count;          // of names, and so of pairs written
    size_t before_pattern; // count when the current pattern began: one of them may have several values
    size_t room;
};

static bool was_answered(const struct answer *answer, const char *name) {
    for (size_t i = 0; i < answer->before_pattern; i++) {
        if (answer->names[i] == name)
            return true;
    }
    return false;
}

static void answer_pair(void *context, const char *name, struct bytes value) {
    struct answer *answer = context;
    if (was_answered(answer, name))
        return;
    if (answer->count == answer->room) {
        answer->room = answer->room * 2 + 64;
        answer->names = memory_reallocate(answer->names, answer->room * sizeof(*answer->names));
    }
    answer->names[answer->count++] = name;
    reply_bulk_text(answer->reply, name);
    reply_bulk(answer->reply, value);
}

void command_config_get(struct command_context *context) {
    struct answer answer = {.reply = context->reply};
    struct output_block *deferred = reply_deferred_begin(context->reply);
    for (size_t i = 2; i < context->count; i++) {
        answer.before_pattern = answer.count;
        config_get(context->server->config, context->arguments[i], answer_pair, &answer);
    }
    reply_map_end(context->reply, deferred, answer.count);
    free(answer.names);
}

void command_config_set(struct command_context *context) {
    char error[CONFIG_ERROR_SIZE];
    if (context->count % 2 != 0) {
        reply_syntax_error(context);
        return;
    }
    if (config_set(context->server->config, context->arguments + 2, (context->count - 2) / 2, error))
        reply_ok(context->reply);
    else
        reply_error_format(context->reply, "ERR %s", error);
}

void command_config_rewrite(struct command_context *context) {
    char error[CONFIG_ERROR_SIZE];
    if (config_rewrite(context->server->config, error)) {
        log_info("the configuration was written to %s", config_path(context->server->config));
        reply_ok(context->reply);
        return;
    }
    log_warning("CONFIG REWRITE failed: %s", error);
    reply_error_format(context->reply, "ERR %s", error);
}

void command_config_resetstat(struct command_context *context) {
    server_reset_stats(context->server);
    reply_ok(context->reply);
}
