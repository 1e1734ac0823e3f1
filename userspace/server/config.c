// SPDX-License-Identifier: Apache-2.0
//
// The values and their readers. Uses: base, config_internal, config_limits.
#include "server/config.h"

#include "base/assert.h"
#include "base/glob.h"
#include "base/memory.h"
#include "server/config_internal.h"
#include "server/config_limits.h"
#include "server/config_line.h"

#include <stdlib.h>

struct config *config_open(void) {
    struct config *config = memory_allocate_zeroed(1, sizeof(*config));
    always_assert(pthread_rwlock_init(&config->text_lock, NULL) == 0, "the lock for texts can be made");
    always_assert(pthread_mutex_init(&config->change_lock, NULL) == 0, "the lock for changes can be made");
    for (int id = 0; id < CONFIG_COUNT; id++)
        config_store(config, (enum config_id)id, config_value_default(directive_at((enum config_id)id)));
    return config;
}

void config_close(struct config *config) {
    if (config == NULL)
        return;
    for (int id = 0; id < CONFIG_COUNT; id++)
        free(config->texts[id]);
    free(config->path);
    (void)pthread_mutex_destroy(&config->change_lock);
    (void)pthread_rwlock_destroy(&config->text_lock);
    free(config);
}

// A reader takes a lock of an object it only reads.
static pthread_rwlock_t *text_lock(const struct config *config) {
    return (pthread_rwlock_t *)(uintptr_t)&config->text_lock;
}

static int64_t read_number(const struct config *config, enum config_id id) {
    return atomic_load_explicit(&config->numbers[id], memory_order_relaxed);
}

struct config_value config_fetch(const struct config *config, enum config_id id) {
    struct config_value value = {.number = read_number(config, id)};
    if (directive_is_text(directive_at(id))) {
        always_assert(pthread_rwlock_rdlock(text_lock(config)) == 0, "the lock for texts can be taken");
        value.text = memory_copy_text(config->texts[id]);
        (void)pthread_rwlock_unlock(text_lock(config));
    }
    return value;
}

static void store_output_limits(struct config *config, const char *text) {
    struct output_limit limits[CLIENT_CLASS_COUNT] = {0};
    const char *problem = config_limits_parse(bytes_from_text(text), limits);
    always_assert(problem == NULL, "limits are stored only after they have been read");
    for (size_t i = 0; i < CLIENT_CLASS_COUNT; i++) {
        atomic_store_explicit(&config->output_limits[i][0], limits[i].hard_bytes, memory_order_relaxed);
        atomic_store_explicit(&config->output_limits[i][1], limits[i].soft_bytes, memory_order_relaxed);
        atomic_store_explicit(&config->output_limits[i][2], limits[i].soft_seconds, memory_order_relaxed);
    }
}

void config_store(struct config *config, enum config_id id, struct config_value value) {
    char *old_text = NULL;
    if (value.text != NULL) {
        always_assert(pthread_rwlock_wrlock(&config->text_lock) == 0, "the lock for texts can be taken");
        old_text = config->texts[id];
        config->texts[id] = value.text;
        if (id == CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT)
            store_output_limits(config, value.text);
        (void)pthread_rwlock_unlock(&config->text_lock);
    } else {
        atomic_store_explicit(&config->numbers[id], value.number, memory_order_relaxed);
    }
    free(old_text);
    atomic_fetch_add_explicit(&config->generation, 1, memory_order_release);
}

bool config_is_default(const struct config *config, enum config_id id) {
    const struct directive *directive = directive_at(id);
    struct config_value value = config_fetch(config, id);
    struct config_value usual = config_value_default(directive);
    bool equal = config_value_equal(directive, &value, &usual);
    config_value_release(&value);
    config_value_release(&usual);
    return equal;
}

bool config_yes(const struct config *config, enum config_id id) {
    always_assert(directive_at(id)->kind == KIND_YES_NO, "config_yes() is for directives of yes and no");
    return read_number(config, id) != 0;
}

int64_t config_integer(const struct config *config, enum config_id id) {
    enum directive_kind kind = directive_at(id)->kind;
    always_assert(kind == KIND_INTEGER || kind == KIND_SIZE || kind == KIND_OCTAL,
                  "config_integer() is for directives of numbers");
    return read_number(config, id);
}

int64_t config_events(const struct config *config, enum config_id id) {
    always_assert(directive_at(id)->kind == KIND_EVENTS, "config_events() is for directives of events");
    return read_number(config, id);
}

int config_choice(const struct config *config, enum config_id id) {
    always_assert(directive_at(id)->kind == KIND_CHOICE, "config_choice() is for directives of words");
    return (int)read_number(config, id);
}

char *config_text_copy(const struct config *config, enum config_id id) {
    always_assert(directive_is_text(directive_at(id)), "config_text() is for directives of text");
    return config_fetch(config, id).text;
}

bool config_text_is_set(const struct config *config, enum config_id id) {
    char *text = config_text_copy(config, id);
    bool is_set = text[0] != '\0';
    free(text);
    return is_set;
}

void config_text(const struct config *config, enum config_id id, struct buffer *out) {
    char *text = config_text_copy(config, id);
    buffer_append_text(out, text);
    free(text);
}

void config_print(const struct config *config, enum config_id id, struct buffer *out) {
    struct config_value value = config_fetch(config, id);
    config_value_print(directive_at(id), &value, out);
    config_value_release(&value);
}

uint64_t config_generation(const struct config *config) {
    return atomic_load_explicit(&config->generation, memory_order_acquire);
}

struct output_limit config_output_limit(const struct config *config, enum client_class client_class) {
    const _Atomic uint64_t *limits = config->output_limits[client_class];
    return (struct output_limit){
        .hard_bytes = atomic_load_explicit(&limits[0], memory_order_relaxed),
        .soft_bytes = atomic_load_explicit(&limits[1], memory_order_relaxed),
        .soft_seconds = atomic_load_explicit(&limits[2], memory_order_relaxed),
    };
}

void config_on_change(struct config *config, enum config_id id, config_change_function *function,
                      void *context) {
    always_assert(id < CONFIG_COUNT, "a hook belongs to a directive");
    config->hooks[id].function = function;
    config->hooks[id].context = context;
}

const char *config_path(const struct config *config) {
    return config->path;
}

// A directive of several lines is told line by line.
static void tell(const struct config *config, enum config_id id, const char *name, config_each_function *each,
                 void *context) {
    struct buffer value = {0};
    config_print(config, id, &value);
    if (directive_at(id)->kind == KIND_RENAMES) {
        struct bytes rest = buffer_bytes(&value);
        struct bytes line;
        while (config_next_line(&rest, &line))
            each(context, name, line);
    } else {
        each(context, name, buffer_bytes(&value));
    }
    buffer_release(&value);
}

void config_get(const struct config *config, struct bytes pattern, config_each_function *each,
                void *context) {
    for (int id = 0; id < CONFIG_COUNT; id++) {
        const char *name = directive_at((enum config_id)id)->name;
        if (glob_match(pattern, bytes_from_text(name), true))
            tell(config, (enum config_id)id, name, each, context);
    }
    enum config_id id = CONFIG_COUNT;
    const char *alias = NULL;
    for (size_t i = 0; (alias = directive_alias_at(i, &id)) != NULL; i++) {
        if (glob_match(pattern, bytes_from_text(alias), true))
            tell(config, id, alias, each, context);
    }
}

void config_each_without_effect(const struct config *config, config_name_function *each, void *context) {
    for (int i = 0; i < CONFIG_COUNT; i++) {
        enum config_id id = (enum config_id)i;
        if ((directive_at(id)->flags & DIRECTIVE_NO_EFFECT) != 0 && !config_is_default(config, id))
            each(context, directive_at(id)->name);
    }
}
