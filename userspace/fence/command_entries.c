// SPDX-License-Identifier: Apache-2.0
//
// Uses: the contract and its exceptions.
#include "fence/command_entries.h"

#include "bpf/fence_exceptions.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const struct fence_command *exception_for(const char *original) {
    for (size_t i = 0; i < FENCE_EXCEPTIONS; i++) {
        if (strcasecmp(fence_exceptions[i].name, original) == 0)
            return &fence_exceptions[i].command;
    }
    return NULL;
}

static size_t container_length(const char *name) {
    const char *bar = strchr(name, '|');
    return bar == NULL ? 0 : (size_t)(bar - name);
}

// True if some subcommand of the container whose name is the first `length` bytes of `name` writes.
static bool holds_writes(const struct fence_word *words, size_t count, const char *name, size_t length) {
    for (size_t i = 0; i < count; i++) {
        if (words[i].writes && container_length(words[i].name) == length &&
            strncasecmp(words[i].name, name, length) == 0)
            return true;
    }
    return false;
}

static struct fence_command command_for(const struct fence_word *words, size_t count,
                                        const struct fence_word *word) {
    const struct fence_command *exception = exception_for(word->original);
    if (exception != NULL)
        return *exception;
    if (word->writes)
        return (struct fence_command){.kind = FENCE_COMMAND_WRITE};
    if (holds_writes(words, count, word->name, strlen(word->name)))
        return (struct fence_command){.kind = FENCE_COMMAND_CONTAINER};
    return (struct fence_command){.kind = FENCE_COMMAND_NO_WRITE};
}

static bool set_name(struct fence_command_name *out, const char *name) {
    size_t length = strlen(name);
    *out = (struct fence_command_name){{0}};
    for (size_t i = 0; i < length && length < FENCE_NAME_SIZE; i++)
        out->text[i] = (char)toupper((unsigned char)name[i]);
    return length < FENCE_NAME_SIZE;
}

size_t fence_entries_make(const struct fence_word *words, size_t count, struct fence_entry *out) {
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        size_t container = container_length(words[i].name);
        if (container != 0 && !holds_writes(words, count, words[i].name, container))
            continue; // the container's own entry says NO_WRITE
        if (!set_name(&out[made].name, words[i].name))
            continue;
        out[made++].command = command_for(words, count, &words[i]);
    }
    return made;
}

struct fence_command fence_command_merge(const struct fence_command *one, const struct fence_command *other) {
    if (one->kind == other->kind && one->reads_up_to == other->reads_up_to)
        return *one;
    return (struct fence_command){.kind = FENCE_COMMAND_MAY_WRITE};
}
