// SPDX-License-Identifier: Apache-2.0
//
// Copying everything from the master. The files are collected in `sync_checkpoint` beside the database, each
// under its own name only once it is whole, checked and on the disk; a broken link costs no more than the
// file that was on its way, if it is the same database that is asked for them again. When all are there they
// take the place of the database at once; until then this node keeps what it has. Uses: base, store, server,
// replication.
#include "base/checksum.h"
#include "base/durable_file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/number.h"
#include "replication/data_files.h"
#include "replication/follower_internal.h"
#include "replication/replicas.h"
#include "replication/snapshots.h"
#include "server/parking.h"
#include "server/server.h"
#include "server/watch_table.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { WRITE_OUT_EVERY = 8 << 20 };

struct copy {
    struct follower *follower;
    char *directory;      // sync_checkpoint
    char *source_path;    // the file that names the database whose files are in it
    bool verified;        // the master tells sizes and checksums
    char number[24];      // and the number of the copy that it has listed; empty: it does not
    struct buffer list;   // of names, as it came
    struct buffer wanted; // names that are still to be fetched, joined by commas
    struct buffer sizes;  // theirs, an int64_t each; -1: not told
    uint64_t fetched_bytes;
    size_t fetched, kept;
};

static bool failed(struct copy *copy, const char *what, struct bytes name) {
    (void)snprintf(copy->follower->link.error, LINK_ERROR_SIZE, "%s '%.*s': %s", what,
                   bytes_shown_length(name), name.data, strerror(errno));
    return false;
}

static bool end_with(struct copy *copy, const char *why) {
    (void)snprintf(copy->follower->link.error, LINK_ERROR_SIZE, "%s", why);
    return false;
}

static bool connect_again(struct copy *copy) {
    struct follower *follower = copy->follower;
    const struct role_master *master = &follower->following.master;
    int timeout_ms = follower->link.timeout_ms;
    link_close(&follower->link);
    follower->link.timeout_ms =
        (int)config_integer(follower->server->config, CONFIG_REPLICATION_CONNECT_TIMEOUT_MS);
    bool connected = link_connect(&follower->link, master->host, master->port);
    follower->link.timeout_ms = timeout_ms;
    char *password = config_text_copy(follower->server->config, CONFIG_MASTERAUTH);
    connected = connected && peer_authenticate(&follower->link, password);
    free(password);
    return connected;
}

// --- The list ---

static bool ask_for_list(struct copy *copy) {
    struct link *link = &copy->follower->link;
    const struct bytes words[] = {BYTES_LITERAL("_fetch_meta"), BYTES_LITERAL("verified")};
    struct bytes line;
    // Making the copy takes the master a while, in which it says nothing.
    enum { PATIENCE = 20 };
    link->timeout_ms *= PATIENCE;
    bool answered = peer_ask(link, words, copy->verified ? 2 : 1, &line);
    link->timeout_ms /= PATIENCE;
    if (!answered)
        return false;
    if (line.length == 0 || line.data[0] == '-') {
        (void)snprintf(link->error, LINK_ERROR_SIZE, "it gives no copy of its data: %.*s",
                       bytes_shown_length(line), line.data);
        return false;
    }
    buffer_append(&copy->list, line);
    return true;
}

// Takes the database's identity and the copy's number off the front of the list. It is empty if the files
// cannot be told apart from those of another database.
static struct bytes take_identity(struct copy *copy, struct bytes *list) {
    *list = buffer_bytes(&copy->list);
    if (!copy->verified)
        return (struct bytes){.data = "", .length = 0};
    const char *blank = memchr(list->data, ' ', list->length);
    if (blank == NULL)
        return (struct bytes){.data = "", .length = 0};
    struct bytes identity = {list->data, (size_t)(blank - list->data)};
    list->length -= identity.length + 1;
    list->data = blank + 1;
    const char *colon = memchr(identity.data, ':', identity.length);
    if (colon != NULL) {
        (void)snprintf(copy->number, sizeof(copy->number), "%.*s", (int)(blank - colon - 1), colon + 1);
        identity.length = (size_t)(colon - identity.data);
    }
    return bytes_equal(identity, BYTES_LITERAL("?")) ? (struct bytes){.data = "", .length = 0} : identity;
}

// An entry of the list: a name, with ":" and a size in the verified form (else -1).
static bool read_entry(const struct copy *copy, struct bytes entry, struct bytes *name, int64_t *size) {
    uint64_t number = 0;
    *name = entry;
    *size = -1;
    if (copy->verified) {
        const char *colon = memchr(entry.data, ':', entry.length);
        if (colon == NULL)
            return false;
        name->length = (size_t)(colon - entry.data);
        if (!number_read_unsigned((struct bytes){colon + 1, entry.length - name->length - 1}, &number) ||
            number > INT64_MAX)
            return false;
        *size = (int64_t)number;
    }
    return data_file_name_is_sound(*name);
}

// --- What is there already ---

static bool is_from(const struct copy *copy, struct bytes identity) {
    char error[DURABLE_FILE_ERROR_SIZE];
    struct buffer text = {0};
    bool exists = false;
    bool same = identity.length != 0 && durable_file_read(copy->source_path, &text, &exists, error) &&
                exists && bytes_equal(buffer_bytes(&text), identity);
    buffer_release(&text);
    return same;
}

// Files of another database may have the same names.
static bool prepare_directory(struct copy *copy, struct bytes identity) {
    char error[DURABLE_FILE_ERROR_SIZE];
    if (is_from(copy, identity))
        return data_files_remove_directories(copy->directory) ||
               failed(copy, "cannot empty", bytes_from_text(copy->directory));
    if (!data_files_remove(copy->directory))
        return failed(copy, "cannot empty", bytes_from_text(copy->directory));
    if (mkdir(copy->directory, 0700) != 0)
        return failed(copy, "cannot make", bytes_from_text(copy->directory));
    return durable_file_replace(copy->source_path, identity, error) || end_with(copy, error);
}

static bool is_kept(const struct copy *copy, struct bytes name, int64_t size) {
    return copy->verified && data_file_is_immutable(name) && data_file_size(copy->directory, name) == size;
}

static bool has_room_for(struct copy *copy, uint64_t bytes) {
    struct statvfs space;
    uint64_t reserve = (uint64_t)config_integer(copy->follower->server->config, CONFIG_DISK_RESERVE_MB) << 20;
    if (statvfs(copy->directory, &space) != 0)
        return failed(copy, "cannot find out how much room there is for", bytes_from_text(copy->directory));
    uint64_t available = (uint64_t)space.f_bavail * space.f_frsize;
    uint64_t twentieth = (uint64_t)space.f_blocks * space.f_frsize / 20;
    reserve = reserve < twentieth ? reserve : twentieth; // as for what clients write
    if (bytes <= available && reserve <= available - bytes)
        return true;
    (void)snprintf(copy->follower->link.error, LINK_ERROR_SIZE,
                   "there is no room for its data: %" PRIu64 " bytes are to be fetched to '%.300s', %" PRIu64
                   " are free, of which disk-reserve-mb keeps %" PRIu64,
                   bytes, copy->directory, available, reserve);
    return false;
}

static void add_wanted(struct copy *copy, struct bytes name, int64_t size) {
    if (copy->wanted.length != 0)
        buffer_append_text(&copy->wanted, ",");
    buffer_append(&copy->wanted, name);
    buffer_append(&copy->sizes, (struct bytes){(const char *)&size, sizeof(size)});
}

// False if the list is not to be understood, or the disk has no room for what is on it.
static bool list_wanted(struct copy *copy, struct bytes list) {
    uint64_t total = 0;
    struct bytes entry;
    struct bytes name;
    int64_t size = 0;
    while (data_files_next_name(&list, &entry)) {
        if (!read_entry(copy, entry, &name, &size))
            return end_with(copy, "its list of files cannot be understood");
        if (is_kept(copy, name, size)) {
            copy->kept++;
            continue;
        }
        add_wanted(copy, name, size);
        if (size > 0 && __builtin_add_overflow(total, (uint64_t)size, &total))
            total = UINT64_MAX;
    }
    return has_room_for(copy, total);
}

struct sweep {
    struct copy *copy;
    struct bytes list;
};

// What is not on the list would be taken for a part of the database.
static void sweep_file(void *context, struct bytes name) {
    struct sweep *sweep = context;
    struct bytes list = sweep->list;
    struct bytes entry;
    struct bytes listed;
    int64_t size = 0;
    while (data_files_next_name(&list, &entry)) {
        if (read_entry(sweep->copy, entry, &listed, &size) && bytes_equal(listed, name) &&
            is_kept(sweep->copy, name, size))
            return;
    }
    struct buffer path = {0};
    buffer_append_format(&path, "%s/%.*s%c", sweep->copy->directory, (int)name.length, name.data, '\0');
    (void)unlink(path.data);
    buffer_release(&path);
}

// --- Fetching ---

// So many bytes from the link into the file. The disk gets to work while more come.
static bool receive_bytes(struct copy *copy, int file, struct bytes name, uint64_t size, uint32_t *sum) {
    struct link *link = &copy->follower->link;
    uint64_t done = 0;
    uint64_t begun = 0;
    while (done < size) {
        struct bytes have = link_received(link);
        if (have.length == 0) {
            if (!link_receive(link))
                return false;
            continue;
        }
        if (have.length > size - done)
            have.length = (size_t)(size - done);
        if (!durable_file_write_all(file, have))
            return failed(copy, "cannot write", name);
        *sum = checksum_extend(*sum, have);
        done += have.length;
        link_take(link, have.length);
        if (done - begun >= WRITE_OUT_EVERY) {
            (void)sync_file_range(file, (off_t)begun, (off_t)(done - begun), SYNC_FILE_RANGE_WRITE);
            begun = done;
        }
    }
    follower_heard(copy->follower);
    copy->fetched_bytes += size;
    return true;
}

static bool check_sum(struct copy *copy, struct bytes name, uint32_t sum) {
    struct bytes line;
    char own[16];
    if (!copy->verified)
        return true;
    if (!link_read_line(&copy->follower->link, &line))
        return false;
    (void)snprintf(own, sizeof(own), "%08" PRIx32, sum);
    if (bytes_equal(line, bytes_from_text(own)))
        return true;
    (void)snprintf(copy->follower->link.error, LINK_ERROR_SIZE,
                   "the file '%.*s' has come damaged: its checksum is %s, and not %.*s",
                   bytes_shown_length(name), name.data, own, bytes_shown_length(line), line.data);
    return false;
}

// A wrong size would fill the disk before the checksum tells. `listed`: -1: the list had none.
static bool read_size(struct copy *copy, struct bytes name, int64_t listed, uint64_t *size) {
    struct bytes line;
    if (!link_read_line(&copy->follower->link, &line))
        return false;
    bool is_size = number_read_unsigned(line, size);
    if (is_size && listed < 0)
        return has_room_for(copy, *size);
    if (is_size && *size == (uint64_t)listed)
        return true;
    if (is_size)
        (void)snprintf(copy->follower->link.error, LINK_ERROR_SIZE,
                       "the file '%.*s' has %" PRIu64 " bytes, and %" PRId64 " in its list",
                       bytes_shown_length(name), name.data, *size, listed);
    else
        (void)snprintf(copy->follower->link.error, LINK_ERROR_SIZE, "it does not send the file '%.*s': %.*s",
                       bytes_shown_length(name), name.data, bytes_shown_length(line), line.data);
    return false;
}

static bool rename_to_its_own(const struct copy *copy, const char *temporary, struct bytes name) {
    struct buffer from = {0};
    struct buffer to = {0};
    buffer_append_format(&from, "%s/%s%c", copy->directory, temporary, '\0');
    buffer_append_format(&to, "%s/%.*s%c", copy->directory, (int)name.length, name.data, '\0');
    bool renamed = rename(from.data, to.data) == 0;
    buffer_release(&from);
    buffer_release(&to);
    return renamed;
}

static bool fetch_file(struct copy *copy, struct bytes name, int64_t listed) {
    static const char temporary[] = "unfinished";
    uint64_t size = 0;
    uint32_t sum = 0;
    if (!read_size(copy, name, listed, &size))
        return false;
    int file = data_file_open(copy->directory, bytes_from_text(temporary), O_WRONLY | O_CREAT | O_TRUNC);
    if (file < 0)
        return failed(copy, "cannot make a file for", name);
    bool fetched = receive_bytes(copy, file, name, size, &sum) && check_sum(copy, name, sum);
    if (fetched && fdatasync(file) != 0)
        fetched = failed(copy, "cannot sync", name);
    (void)close(file);
    if (fetched && !rename_to_its_own(copy, temporary, name))
        fetched = failed(copy, "cannot rename", name);
    copy->fetched += fetched;
    return fetched;
}

static bool fetch_wanted(struct copy *copy) {
    struct bytes list = buffer_bytes(&copy->wanted);
    const struct bytes words[] = {BYTES_LITERAL("_fetch_file"), list, BYTES_LITERAL("verified"),
                                  bytes_from_text(copy->number)};
    size_t count = !copy->verified ? 2 : copy->number[0] == '\0' ? 3 : 4;
    struct bytes name;
    int64_t size = 0;
    if (list.length != 0 && !link_send_command(&copy->follower->link, words, count))
        return false;
    for (size_t at = 0; data_files_next_name(&list, &name); at += sizeof(size)) {
        memcpy(&size, copy->sizes.data + at, sizeof(size));
        if (!fetch_file(copy, name, size))
            return false;
    }
    return data_files_sync(copy->directory) || failed(copy, "cannot sync", bytes_from_text(copy->directory));
}

static bool fetch_everything(struct copy *copy) {
    struct bytes list;
    if (!connect_again(copy) || !ask_for_list(copy))
        return false;
    struct bytes identity = take_identity(copy, &list);
    struct sweep sweep = {.copy = copy, .list = list};
    if (!prepare_directory(copy, identity) || !data_files_each(copy->directory, sweep_file, &sweep) ||
        !list_wanted(copy, list))
        return false;
    return connect_again(copy) && fetch_wanted(copy);
}

// --- Putting it in place ---

// From here on what is in the directory can be this node's old database, of which no file may be kept for the
// next copy, however alike it looks.
static bool disown_files(struct copy *copy) {
    char error[DURABLE_FILE_ERROR_SIZE];
    return durable_file_remove(copy->source_path, error) || end_with(copy, error);
}

static bool put_in_place(struct copy *copy) {
    struct follower *follower = copy->follower;
    struct server *server = follower->server;
    char error[STORE_ERROR_SIZE] = "another master is to be followed";
    if (!disown_files(copy))
        return false;
    // What reads the database on threads of its own.
    replicas_stop(follower->replicas);
    snapshots_stop(follower->snapshots);
    struct parking *parking = parking_begin(server);
    bool done = !follower_is_outdated(follower) && store_replace(server->store, copy->directory, error);
    if (done)
        watch_touch_all(server->watch_table);
    parking_end(parking);
    follower_restart_givers(follower);
    // The old database, or a new one that without its source is of no use. Clients need not wait for it.
    if (!data_files_remove(copy->directory))
        log_warning("'%s' could not be removed: %s", copy->directory, strerror(errno));
    return done || end_with(copy, error);
}

// What this node had and its master has not.
static void log_discarded(const struct copy *copy) {
    const struct follower *follower = copy->follower;
    struct history history;
    char *error = NULL;
    uint64_t latest = store_latest_sequence(follower->server->store);
    if (!history_read(follower->server->store, &history, &error)) {
        log_warning("what the full copy discards is not known: %s", error);
        free(error);
        return;
    }
    uint64_t shared = history_last_shared(&follower->refused_history, follower->refused_at, &history, latest);
    if (shared == follower->refused_at)
        log_info("the full copy discards nothing: the master has all %" PRIu64
                 " sequence numbers of this node",
                 shared);
    else
        log_warning("the full copy discards %" PRIu64
                    " sequence numbers that the master does not have: %" PRIu64 " to %" PRIu64,
                    follower->refused_at - shared, shared + 1, follower->refused_at);
}

static void release(struct copy *copy) {
    free(copy->directory);
    free(copy->source_path);
    buffer_release(&copy->list);
    buffer_release(&copy->wanted);
    buffer_release(&copy->sizes);
}

static char *path_in(const struct follower *follower, const char *name) {
    struct buffer path = {0};
    config_text(follower->server->config, CONFIG_DIR, &path);
    buffer_append_format(&path, "/%s%c", name, '\0');
    return path.data;
}

// A crash while the databases changed places leaves the old one there.
void follower_remove_old_copy(struct follower *follower) {
    struct copy copy = {.directory = path_in(follower, "sync_checkpoint"),
                        .source_path = path_in(follower, "sync_checkpoint.source")};
    if (access(copy.source_path, F_OK) != 0 && access(copy.directory, F_OK) == 0) {
        log_info("removing '%s', which nothing can be done with", copy.directory);
        if (!data_files_remove(copy.directory))
            log_warning("'%s' could not be removed: %s", copy.directory, strerror(errno));
    }
    release(&copy);
}

bool follower_copy_everything(struct follower *follower) {
    struct copy copy = {.follower = follower,
                        .directory = path_in(follower, "sync_checkpoint"),
                        .source_path = path_in(follower, "sync_checkpoint.source"),
                        .verified = follower->master.is_kvfence};
    bool fetched = fetch_everything(&copy);
    bool done = fetched && put_in_place(&copy);
    if (done) {
        log_warning("everything was copied from master %s:%u: %zu files with %" PRIu64
                    " bytes, and %zu that were here already; the data end with sequence number %" PRIu64,
                    follower->following.master.host, follower->following.master.port, copy.fetched,
                    copy.fetched_bytes, copy.kept, store_latest_sequence(follower->server->store));
        if (follower->refused_at != 0)
            log_discarded(&copy);
        end_with(&copy, ""); // nothing is wrong: it goes on by the log
    }
    release(&copy);
    return done || copy.fetched != 0;
}
