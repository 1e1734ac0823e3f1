// SPDX-License-Identifier: Apache-2.0
//
// Checks that need more than one directive, or that depend on what this server can do. Uses: base,
// config_internal.
#include "server/config_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

static bool supported(const struct config *config, enum config_id id, char error[CONFIG_ERROR_SIZE]) {
    const struct directive *directive = directive_at(id);
    if ((directive->flags & DIRECTIVE_UNSUPPORTED) == 0 || config_is_default(config, id))
        return true;
    struct buffer value = {0};
    config_print(config, id, &value);
    (void)snprintf(error, CONFIG_ERROR_SIZE, "'%s' is set to '%.*s', which is not supported yet",
                   directive->name, (int)(value.length < 100 ? value.length : 100), value.data);
    buffer_release(&value);
    return false;
}

static bool listens_somewhere(const struct config *config, char error[CONFIG_ERROR_SIZE]) {
    char *addresses = config_text_copy(config, CONFIG_BIND);
    char *socket_path = config_text_copy(config, CONFIG_UNIXSOCKET);
    bool right = addresses[0] != '\0' || socket_path[0] != '\0';
    if (!right)
        (void)snprintf(error, CONFIG_ERROR_SIZE, "neither 'bind' nor 'unixsocket' names an address");
    if (strlen(socket_path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        right = false;
        (void)snprintf(error, CONFIG_ERROR_SIZE, "the path of 'unixsocket' is longer than %zu bytes",
                       sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    }
    free(addresses);
    free(socket_path);
    return right;
}

// Neither the other nodes of a cluster nor a master can reach a unix socket.
static bool can_be_reached(const struct config *config, char error[CONFIG_ERROR_SIZE]) {
    bool reachable = config_text_is_set(config, CONFIG_BIND) && config_integer(config, CONFIG_PORT) != 0;
    bool in_cluster = config_yes(config, CONFIG_CLUSTER_ENABLED);
    if (reachable || (!in_cluster && !config_text_is_set(config, CONFIG_SLAVEOF)))
        return true;
    (void)snprintf(error, CONFIG_ERROR_SIZE, "'%s' needs an address in 'bind' and a 'port'",
                   config_name(in_cluster ? CONFIG_CLUSTER_ENABLED : CONFIG_SLAVEOF));
    return false;
}

// RocksDB would quietly correct a wrong order.
static bool triggers_ordered(const struct config *config, char error[CONFIG_ERROR_SIZE]) {
    int64_t compact = config_integer(config, CONFIG_ROCKSDB_LEVEL0_FILE_NUM_COMPACTION_TRIGGER);
    int64_t slow = config_integer(config, CONFIG_ROCKSDB_LEVEL0_SLOWDOWN_WRITES_TRIGGER);
    int64_t stop = config_integer(config, CONFIG_ROCKSDB_LEVEL0_STOP_WRITES_TRIGGER);
    if (compact <= slow && slow <= stop)
        return true;
    (void)snprintf(error, CONFIG_ERROR_SIZE,
                   "rocksdb.level0_file_num_compaction_trigger (%" PRId64
                   "), rocksdb.level0_slowdown_writes_trigger (%" PRId64
                   ") and rocksdb.level0_stop_writes_trigger (%" PRId64 ") must not decrease in this order",
                   compact, slow, stop);
    return false;
}

bool config_validate(const struct config *config, char error[CONFIG_ERROR_SIZE]) {
    for (int id = 0; id < CONFIG_COUNT; id++) {
        if (!supported(config, (enum config_id)id, error))
            return false;
    }
    return listens_somewhere(config, error) && can_be_reached(config, error) &&
           triggers_ordered(config, error);
}
