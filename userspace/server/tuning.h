// SPDX-License-Identifier: Apache-2.0
//
// From the rocksdb.* directives to the store's tuning. May use: store/options, server/config.
#ifndef KVFENCE_SERVER_TUNING_H
#define KVFENCE_SERVER_TUNING_H

#include "server/config.h"
#include "store/store.h"

struct store_tuning tuning_from_config(const struct config *config);

// Makes CONFIG SET of directives that the store can change while it runs take effect there. What it returns
// must live as long as the configuration is changed, and is then released with free().
struct followed;
struct followed *tuning_follow_config(struct config *config, struct store *store);

#endif
