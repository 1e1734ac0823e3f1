// SPDX-License-Identifier: Apache-2.0
//
// Uses: base, fence, server/{command,config}.
#include "server/kernel_fence.h"

#include "base/memory.h"

#include <stdlib.h>

struct kernel_fence {
    struct config *config;
    struct fence *fence;
};

// The configuration's words stand in the order of the contract's.
static enum fence_policy policy_of(const struct config *config) {
    return (enum fence_policy)config_choice(config, CONFIG_FENCE_POLICY);
}

static const char *change_policy(void *context, enum config_id id) {
    (void)id;
    const struct kernel_fence *kernel = context;
    fence_set_policy(kernel->fence, policy_of(kernel->config));
    return NULL;
}

static struct fence_word *words_of(const struct command_table *commands, size_t count) {
    struct fence_word *words = memory_allocate_zeroed(count, sizeof(*words));
    for (size_t i = 0; i < count; i++) {
        const struct command *command = command_table_at(commands, i);
        words[i] = (struct fence_word){.name = command->name,
                                       .original = command->original,
                                       .writes = (command->flags & COMMAND_WRITE) != 0};
    }
    return words;
}

struct kernel_fence *kernel_fence_open(struct config *config, const struct command_table *commands,
                                       struct lease *lease) {
    struct kernel_fence *kernel = memory_allocate_zeroed(1, sizeof(*kernel));
    size_t count = command_table_count(commands);
    struct fence_word *words = words_of(commands, count);
    char *path = config_text_copy(config, CONFIG_FENCE_BPF_PATH);
    const struct fence_config setup = {.path = path,
                                       .port = (uint16_t)config_integer(config, CONFIG_PORT),
                                       .policy = policy_of(config),
                                       .words = words,
                                       .word_count = count,
                                       .lease = lease};
    kernel->config = config;
    kernel->fence = fence_open(&setup);
    free(path);
    free(words);
    config_on_change(config, CONFIG_FENCE_POLICY, change_policy, kernel);
    return kernel;
}

void kernel_fence_close(struct kernel_fence *kernel) {
    if (kernel == NULL)
        return;
    config_on_change(kernel->config, CONFIG_FENCE_POLICY, NULL, NULL);
    fence_close(kernel->fence);
    free(kernel);
}

struct fence *kernel_fence_mirror(const struct kernel_fence *kernel) {
    return kernel->fence;
}
