// SPDX-License-Identifier: Apache-2.0
//
// From the connection to the master's consent to go on: who it is, whether it may be followed, and where to
// begin. Uses: base, lease, store/{history,session}, server, replication.
#include "base/durable_file.h"
#include "base/log.h"
#include "base/number.h"
#include "lease/lease.h"
#include "replication/follower_internal.h"
#include "server/lease_gate.h"
#include "server/server.h"
#include "store/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- Election versions ---

// Beside the database, as this is about masters and not about data.
static void version_path(const struct follower *follower, struct buffer *path) {
    config_text(follower->server->config, CONFIG_DIR, path);
    buffer_append_text(path, "/replication.state");
    buffer_append(path, (struct bytes){"", 1});
}

void follower_load_version(struct follower *follower) {
    char error[DURABLE_FILE_ERROR_SIZE] = "the file is damaged";
    struct buffer path = {0};
    struct buffer text = {0};
    bool exists = false;
    version_path(follower, &path);
    if (!durable_file_read(path.data, &text, &exists, error) ||
        (exists && (text.length == 0 || !number_read_unsigned((struct bytes){text.data, text.length - 1},
                                                              &follower->known_version))))
        log_warning("the election version of earlier masters is not known: %s", error);
    buffer_release(&path);
    buffer_release(&text);
}

static void keep_version(struct follower *follower, uint64_t version) {
    char error[DURABLE_FILE_ERROR_SIZE];
    struct buffer path = {0};
    struct buffer text = {0};
    follower->known_version = version;
    version_path(follower, &path);
    buffer_append_format(&text, "%" PRIu64 "\n", version);
    if (!durable_file_replace(path.data, buffer_bytes(&text), error))
        log_warning("the master's election version could not be kept: %s", error);
    buffer_release(&path);
    buffer_release(&text);
}

// Once this node has the master's data, or can go on from its own: the version of a master met by mistake, of
// another cluster, would keep the right one from being followed.
static void learn_version(struct follower *follower) {
    if (follower->master.election_version > follower->known_version)
        keep_version(follower, follower->master.election_version);
}

static void refuse_version(struct follower *follower, uint64_t known) {
    bool is_from_masters = known == follower->known_version;
    struct buffer why = {0};
    buffer_append_format(&why, "its election version %" PRIu64 " is outdated, %" PRIu64 " is known",
                         follower->master.election_version, known);
    if (is_from_masters) {
        buffer_append_text(&why, " from earlier masters, and kept in '");
        version_path(follower, &why);
        why.length--;
        buffer_append_text(&why, "', which is read when the server starts");
    }
    atomic_store(&follower->is_refused, true);
    (void)snprintf(follower->link.error, sizeof(follower->link.error), "%.*s", (int)why.length, why.data);
    buffer_release(&why);
}

// A master that has never been granted a lease says 0 and may be followed: it may just have become one.
static bool accept_version(struct follower *follower) {
    uint64_t own = lease_view(lease_gate_lease(follower->server->lease_gate)).highest_version;
    uint64_t known = own > follower->known_version ? own : follower->known_version;
    uint64_t told = follower->master.election_version;
    if (told == 0 || told >= known)
        return true;
    refuse_version(follower, known);
    return false;
}

// --- Greeting ---

static bool check_name(struct follower *follower) {
    const struct bytes question = BYTES_LITERAL("_db_name");
    struct bytes line;
    if (!peer_ask(&follower->link, &question, 1, &line))
        return false;
    char *own = config_text_copy(follower->server->config, CONFIG_DB_NAME);
    bool same = bytes_equal(line, bytes_from_text(own));
    bool loading = bytes_equal(line, BYTES_LITERAL("-" PEER_LOADING_ERROR));
    if (!same && !loading)
        atomic_store(&follower->is_refused, true);
    if (!same)
        (void)snprintf(follower->link.error, sizeof(follower->link.error),
                       "its db-name is '%.*s', and '%.60s' here", bytes_shown_length(line), line.data, own);
    free(own);
    return same;
}

static bool announce_as(struct follower *follower, const char *host, struct bytes *answer) {
    const struct config *config = follower->server->config;
    int64_t port = config_integer(config, CONFIG_REPLICA_ANNOUNCE_PORT);
    char text[NUMBER_INTEGER_SIZE];
    size_t length = number_write_integer(text, port != 0 ? port : config_integer(config, CONFIG_PORT));
    const struct bytes words[] = {BYTES_LITERAL("replconf"),
                                  BYTES_LITERAL("listening-port"),
                                  {text, length},
                                  BYTES_LITERAL("ip-address"),
                                  bytes_from_text(host)};
    return peer_ask(&follower->link, words, host[0] == '\0' ? 3 : 5, answer);
}

// A master that does not know the address may know the port; and one that knows neither can be followed.
static bool announce(struct follower *follower) {
    struct bytes answer;
    char *host = config_text_copy(follower->server->config, CONFIG_REPLICA_ANNOUNCE_IP);
    bool answered = announce_as(follower, host, &answer);
    if (answered && host[0] != '\0' && answer.length != 0 && answer.data[0] == '-')
        answered = announce_as(follower, "", &answer);
    free(host);
    if (answered && bytes_equal(answer, BYTES_LITERAL("-" PEER_LOADING_ERROR))) {
        (void)snprintf(follower->link.error, sizeof(follower->link.error), "it is loading its own data");
        return false;
    }
    return answered;
}

bool follower_greet(struct follower *follower) {
    char *password = config_text_copy(follower->server->config, CONFIG_MASTERAUTH);
    bool greeted = peer_authenticate(&follower->link, password) && check_name(follower) &&
                   peer_ask_kind(&follower->link, &follower->master) && accept_version(follower) &&
                   announce(follower);
    free(password);
    if (greeted) {
        follower_heard(follower);
        atomic_store(&follower->is_refused, false);
    }
    return greeted;
}

// --- Where to begin ---

// The id to name, or NULL: by the sequence number alone, which is all that a Kvrocks asks for by default.
static const char *id_to_name(const struct follower *follower, const struct history *history,
                              uint64_t latest) {
    const char *id = history_id(history);
    if (follower->master.is_kvfence)
        return id != NULL ? id : latest != 0 ? PEER_NO_ID : NULL;
    return config_yes(follower->server->config, CONFIG_USE_RSID_PSYNC) ? id : NULL;
}

static bool ask_for_log(struct follower *follower, const char *id, uint64_t latest, struct bytes *answer) {
    char number[NUMBER_INTEGER_SIZE];
    size_t length = number_write_integer(number, (int64_t)latest + 1);
    const struct bytes words[] = {BYTES_LITERAL("PSYNC"), {number, length}};
    const struct bytes named[] = {
        BYTES_LITERAL("PSYNC"), bytes_from_text(id == NULL ? "" : id), {number, length}};
    return id == NULL ? peer_ask(&follower->link, words, 2, answer)
                      : peer_ask(&follower->link, named, 3, answer);
}

static bool read_history(struct follower *follower, struct history *history) {
    char *error = NULL;
    if (history_read(follower->server->store, history, &error))
        return true;
    (void)snprintf(follower->link.error, sizeof(follower->link.error), "the own history cannot be read: %s",
                   error);
    free(error);
    return false;
}

static bool copy_everything(struct follower *follower, const struct history *history, uint64_t latest,
                            struct bytes answer) {
    const struct role_master *master = &follower->following.master;
    log_warning("master %s:%u cannot go on from sequence number %" PRIu64
                " of this node (%.*s): everything is "
                "copied from it",
                master->host, master->port, latest, bytes_shown_length(answer), answer.data);
    follower->refused_history = *history;
    follower->refused_at = latest;
    follower_set_state(follower, FOLLOWER_COPYING);
    return follower_copy_everything(follower);
}

// What the master is told to be here counts as acknowledged: a stream that ended may have left some of it in
// memory.
static bool make_durable(struct follower *follower) {
    session_note_read(follower->session);
    if (store_settle(follower->session) == SETTLED)
        return true;
    (void)snprintf(follower->link.error, sizeof(follower->link.error), "%s",
                   session_settle_error(follower->session));
    return false;
}

// In the role guard, so that this node still follows: what it has from here on is the master's alone.
static bool find_position(struct follower *follower, uint64_t *latest) {
    session_write_begin(follower->session, NULL, 0);
    bool follows = !follower_is_outdated(follower);
    *latest = store_latest_sequence(follower->server->store);
    session_write_end(follower->session);
    return follows;
}

bool follower_synchronise(struct follower *follower) {
    struct history history;
    struct bytes answer;
    uint64_t latest = 0;
    if (!find_position(follower, &latest) || !make_durable(follower) || !read_history(follower, &history))
        return false;
    const char *id = id_to_name(follower, &history, latest);
    if (!ask_for_log(follower, id, latest, &answer))
        return false;
    // A Kvrocks that does not know the form with an id.
    if (id != NULL && !follower->master.is_kvfence &&
        bytes_equal(answer, BYTES_LITERAL("-ERR wrong number of arguments")) &&
        !ask_for_log(follower, NULL, latest, &answer))
        return false;
    if (bytes_equal(answer, BYTES_LITERAL("+OK"))) {
        learn_version(follower);
        return follower_stream(follower, latest);
    }
    if (bytes_equal(answer, BYTES_LITERAL("-" PEER_LOADING_ERROR)) || answer.length == 0 ||
        answer.data[0] != '-') {
        (void)snprintf(follower->link.error, sizeof(follower->link.error), "it answers to PSYNC: %.*s",
                       bytes_shown_length(answer), answer.data);
        return false;
    }
    return copy_everything(follower, &history, latest, answer);
}
