// SPDX-License-Identifier: Apache-2.0
//
// CONFIG SET: all pairs or none. Uses: base, config_internal.
#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "server/config_internal.h"

#include <stdio.h>
#include <stdlib.h>

struct change {
    enum config_id id;
    struct config_value before, after;
    bool told; // its hook has agreed
};

// As there is one change for each directive at most.
struct changes {
    struct change all[CONFIG_COUNT];
    size_t count;
};

static bool refuse(char error[CONFIG_ERROR_SIZE], enum config_id id, const char *reason) {
    (void)snprintf(error, CONFIG_ERROR_SIZE, "CONFIG SET failed (possibly related to argument '%s') - %s",
                   config_name(id), reason);
    return false;
}

static bool add_name(struct changes *changes, struct bytes name, char error[CONFIG_ERROR_SIZE]) {
    enum config_id id = CONFIG_COUNT;
    if (!directive_find(name, &id)) {
        (void)snprintf(error, CONFIG_ERROR_SIZE,
                       "Unknown option or number of arguments for CONFIG SET - '%.*s'",
                       (int)(name.length < 128 ? name.length : 128), name.data);
        return false;
    }
    if ((directive_at(id)->flags & DIRECTIVE_FIXED) != 0)
        return refuse(error, id, "can't set immutable config");
    for (size_t i = 0; i < changes->count; i++) {
        if (changes->all[i].id == id)
            return refuse(error, id, "duplicate parameter");
    }
    changes->all[changes->count++] = (struct change){.id = id};
    return true;
}

static bool read_value(const struct config *config, struct change *change, struct bytes input,
                       char error[CONFIG_ERROR_SIZE]) {
    const struct directive *directive = directive_at(change->id);
    char reason[CONFIG_REASON_SIZE];
    change->before = config_fetch(config, change->id);
    if (!config_value_parse(directive, change->before.text, input, &change->after, reason))
        return refuse(error, change->id, reason);
    if ((directive->flags & (DIRECTIVE_NO_EFFECT | DIRECTIVE_UNSUPPORTED)) != 0 &&
        !config_value_equal(directive, &change->before, &change->after))
        return refuse(error, change->id, "it is not supported yet and would have no effect");
    return true;
}

static bool read_changes(const struct config *config, struct changes *changes,
                         const struct bytes *names_and_values, size_t pairs, char error[CONFIG_ERROR_SIZE]) {
    for (size_t i = 0; i < pairs; i++) {
        if (!add_name(changes, names_and_values[2 * i], error))
            return false;
    }
    for (size_t i = 0; i < pairs; i++) {
        if (!read_value(config, &changes->all[i], names_and_values[2 * i + 1], error))
            return false;
    }
    return true;
}

static struct config_value copy_value(const struct config_value *value) {
    return (struct config_value){.number = value->number,
                                 .text = value->text == NULL ? NULL : memory_copy_text(value->text)};
}

// Returns the reason why the hook refuses, or NULL.
static const char *tell(const struct config *config, enum config_id id) {
    config_change_function *function = config->hooks[id].function;
    return function == NULL ? NULL : function(config->hooks[id].context, id);
}

static bool is_change(const struct change *change) {
    return !config_value_equal(directive_at(change->id), &change->before, &change->after);
}

// Everything goes back, and those that had agreed hear of it.
static void take_back(struct config *config, const struct changes *changes) {
    for (size_t i = 0; i < changes->count; i++) {
        if (is_change(&changes->all[i]))
            config_store(config, changes->all[i].id, copy_value(&changes->all[i].before));
    }
    for (size_t i = 0; i < changes->count; i++) {
        if (!changes->all[i].told)
            continue;
        const char *reason = tell(config, changes->all[i].id);
        if (reason != NULL)
            log_error("the earlier value of %s could not be put back: %s", config_name(changes->all[i].id),
                      reason);
    }
}

static bool apply(struct config *config, struct changes *changes, char error[CONFIG_ERROR_SIZE]) {
    for (size_t i = 0; i < changes->count; i++) {
        if (is_change(&changes->all[i]))
            config_store(config, changes->all[i].id, copy_value(&changes->all[i].after));
    }
    for (size_t i = 0; i < changes->count; i++) {
        struct change *change = &changes->all[i];
        if (!is_change(change))
            continue;
        const char *reason = tell(config, change->id);
        if (reason != NULL) {
            (void)refuse(error, change->id, reason);
            take_back(config, changes);
            return false;
        }
        change->told = true;
    }
    return true;
}

void config_note(struct config *config, enum config_id id, struct bytes text) {
    struct config_value value;
    char reason[CONFIG_REASON_SIZE];
    always_assert(pthread_mutex_lock(&config->change_lock) == 0, "the lock for changes can be taken");
    bool right = config_value_parse(directive_at(id), NULL, text, &value, reason);
    always_assert(right, "the server notes down only what the file could say");
    config_store(config, id, value);
    config->given[id] = true;
    (void)pthread_mutex_unlock(&config->change_lock);
}

bool config_set(struct config *config, const struct bytes *names_and_values, size_t pairs,
                char error[CONFIG_ERROR_SIZE]) {
    struct changes *changes = memory_allocate_zeroed(1, sizeof(*changes));
    always_assert(pthread_mutex_lock(&config->change_lock) == 0, "the lock for changes can be taken");
    bool right =
        read_changes(config, changes, names_and_values, pairs, error) && apply(config, changes, error);
    for (size_t i = 0; right && i < changes->count; i++)
        config->given[changes->all[i].id] = true;
    (void)pthread_mutex_unlock(&config->change_lock);
    for (size_t i = 0; i < changes->count; i++) {
        config_value_release(&changes->all[i].before);
        config_value_release(&changes->all[i].after);
    }
    free(changes);
    return right;
}
