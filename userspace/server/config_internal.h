// SPDX-License-Identifier: Apache-2.0
//
// What the files of the configuration share: the values and how they are replaced. May use: base,
// server/config_value.
#ifndef KVFENCE_SERVER_CONFIG_INTERNAL_H
#define KVFENCE_SERVER_CONFIG_INTERNAL_H

#include "server/config.h"
#include "server/config_value.h"

#include <pthread.h>
#include <stdatomic.h>

struct config {
    _Atomic int64_t numbers[CONFIG_COUNT];
    // client-output-buffer-limit, taken apart: hard, soft, seconds of each class.
    _Atomic uint64_t output_limits[CLIENT_CLASS_COUNT][3];
    _Atomic uint64_t generation;

    pthread_rwlock_t text_lock;
    char *texts[CONFIG_COUNT]; // under text_lock

    // Held by whoever changes or rewrites, for as long as that takes. Readers of values never take it.
    pthread_mutex_t change_lock;
    bool given[CONFIG_COUNT]; // somebody has said a value: file, command line or CONFIG SET
    struct {
        config_change_function *function;
        void *context;
    } hooks[CONFIG_COUNT];
    char *path; // resolved; NULL: no file
};

// A copy of the value, to be released.
struct config_value config_fetch(const struct config *config, enum config_id id);
// Replaces the value and takes the new one over.
void config_store(struct config *config, enum config_id id, struct config_value value);
bool config_is_default(const struct config *config, enum config_id id);

// Reads a whole file's text as config_load_file() does; `source` names it in errors.
bool config_load_text(struct config *config, const char *source, struct bytes text,
                      char error[CONFIG_ERROR_SIZE]);
// The whole file at `path`, or standard input for "-". False with a reason.
bool config_read_file(const char *path, struct buffer *out, char error[CONFIG_ERROR_SIZE]);

// The file's text as CONFIG REWRITE would have it now. Under change_lock.
void config_rewrite_text(const struct config *config, struct bytes old_text, struct buffer *out);

#endif
