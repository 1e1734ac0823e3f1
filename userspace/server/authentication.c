// SPDX-License-Identifier: Apache-2.0
//
// Compares passwords. Uses: buffer, config.
#include "server/authentication.h"

#include "base/assert.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct authentication {
    const struct config *config;
    pthread_mutex_t lock;
    struct buffer password;      // guarded by lock
    _Atomic uint64_t generation; // of the configuration that `password` is from; written under lock
    _Atomic bool required;       // a password is set; written under lock, before `generation`
};

static void lock(struct authentication *authentication) {
    always_assert(pthread_mutex_lock(&authentication->lock) == 0, "the password can be locked");
}

static void unlock(struct authentication *authentication) {
    always_assert(pthread_mutex_unlock(&authentication->lock) == 0, "the password can be unlocked");
}

// Leaves no copy of an old password in memory.
static void forget(struct buffer *password) {
    if (password->capacity != 0)
        explicit_bzero(password->data, password->capacity);
    buffer_clear(password);
}

// Under the lock. The generation is read first: a change that comes between is found the next time.
static void read_password(struct authentication *authentication) {
    uint64_t generation = config_generation(authentication->config);
    forget(&authentication->password);
    config_text(authentication->config, CONFIG_REQUIREPASS, &authentication->password);
    atomic_store_explicit(&authentication->required, authentication->password.length != 0,
                          memory_order_relaxed);
    atomic_store_explicit(&authentication->generation, generation, memory_order_release);
}

static bool is_current(const struct authentication *authentication) {
    return atomic_load_explicit(&authentication->generation, memory_order_acquire) ==
           config_generation(authentication->config);
}

struct authentication *authentication_open(const struct config *config) {
    struct authentication *authentication = memory_allocate_zeroed(1, sizeof(*authentication));
    authentication->config = config;
    always_assert(pthread_mutex_init(&authentication->lock, NULL) == 0, "the password's lock can be made");
    read_password(authentication);
    return authentication;
}

void authentication_close(struct authentication *authentication) {
    if (authentication == NULL)
        return;
    forget(&authentication->password);
    buffer_release(&authentication->password);
    pthread_mutex_destroy(&authentication->lock);
    free(authentication);
}

bool authentication_required(struct authentication *authentication) {
    if (!is_current(authentication)) {
        lock(authentication);
        read_password(authentication);
        unlock(authentication);
    }
    return atomic_load_explicit(&authentication->required, memory_order_relaxed);
}

// Looks at every byte of the attempt, whatever it finds. `password` is not empty.
static bool equal_in_constant_time(struct bytes password, struct bytes attempt) {
    size_t difference = password.length ^ attempt.length;
    size_t at = 0;
    for (size_t i = 0; i < attempt.length; i++) {
        difference |= (unsigned char)(password.data[at] ^ attempt.data[i]);
        // Goes round in a shorter password, without a branch that would tell its length.
        at = (at + 1) & (0 - (size_t)(at + 1 < password.length));
    }
    return difference == 0;
}

bool authentication_check(struct authentication *authentication, struct bytes attempt) {
    lock(authentication);
    if (!is_current(authentication))
        read_password(authentication);
    struct bytes password = buffer_bytes(&authentication->password);
    bool right = password.length != 0 && equal_in_constant_time(password, attempt);
    unlock(authentication);
    return right;
}
