// SPDX-License-Identifier: Apache-2.0
//
// A connection and what the server knows of it. Owned by one worker, whose thread alone touches it, but for
// the fields under "shared", which other threads read for CLIENT LIST: atomics, or guarded by the registry's
// lock. May use: base, store, server/{command,reply,request_parser,config}.
#ifndef KVFENCE_SERVER_CLIENT_H
#define KVFENCE_SERVER_CLIENT_H

#include "base/clock.h"
#include "server/arrival.h"
#include "server/command.h"
#include "server/config.h"
#include "server/hash_map.h"
#include "server/reply.h"
#include "server/request_parser.h"

#include <stdatomic.h>

struct blocked;       // server/blocking.h
struct client_topics; // server/subscribers.c
struct event;
struct reply_stream; // server/reply_stream.h
struct transaction;  // server/transaction.h
enum { CLIENT_ADDRESS_SIZE = 128 };

enum client_reply_mode { CLIENT_REPLY_ON, CLIENT_REPLY_OFF, CLIENT_REPLY_SKIP, CLIENT_REPLY_SKIP_NEXT };

// Why a client's commands wait.
enum client_wait {
    CLIENT_RUNNING,
    CLIENT_PAUSED,   // CLIENT PAUSE: its next command is parsed and not consumed
    CLIENT_BLOCKED,  // waits for a background job, whose reply comes with client_unblock(); or for a key,
                     // and its command is parsed and not consumed
    CLIENT_THROTTLED // its output is above the high-water mark, or a long reply is on its way
};

// Takes over a socket that is no client's any more; -1: the connection has ended before that.
typedef void client_heir_function(void *context, int fd);

// Called when a connection has ended, on its worker.
typedef void client_end_function(void *context, uint64_t client);

struct client {
    // --- the worker's own ---
    int fd;
    struct worker *worker;
    struct server *server;
    struct event *read_event;
    struct event *write_event;
    struct request_parser *parser;
    struct arrival arrival;
    client_heir_function *heir; // takes over the socket; NULL: nobody
    void *heir_context;
    char *announced_host; // by REPLCONF: where a replica says that it is reached; NULL: not said
    uint16_t announced_port;
    bool sends_heartbeats; // has sent one: the worker looks at its socket at short intervals
    struct client *heartbeat_previous, *heartbeat_next; // the worker's list of those
    struct reply reply;
    struct reply_stream *stream;     // the rest of a reply that is too long to be held; NULL: none
    struct transaction *transaction; // NULL until MULTI or WATCH
    enum client_wait wait;
    struct blocked *blocked; // NULL: its command waits for no key
    enum client_reply_mode reply_mode;
    bool authenticated;
    bool close_after_reply; // QUIT, protocol errors: what is pending is sent, nothing more is read
    bool closing;           // to be freed at the end of the round
    bool is_monitor;
    struct client_topics *topics; // NULL: it has subscribed to nothing
    bool in_command;              // the dispatcher has one of its commands
    bool in_exec;                 // its queued commands are being run
    bool wrote_this_round;        // has committed since the last settle
    bool read_this_round;         // has read data since the last settle
    bool reading_paused;          // its read event is off
    bool no_evict, no_touch;
    bool may_read_replica;       // READONLY: in a cluster, reads of what this node is only a replica of
    uint8_t asking;              // ASKING: until so many more commands have ended
    client_end_function *on_end; // NULL: nobody wants to know of the connection's end
    void *on_end_context;
    struct output_mark round_mark; // where this round's replies begin
    bool round_marked;
    uint64_t soft_limit_since_us;                   // when the output went over the soft limit; 0: it is not
    struct client *pending_previous, *pending_next; // the worker's list of clients with something to settle
    bool is_pending;
    struct client *worker_previous, *worker_next; // all of the worker's clients
    UT_hash_handle by_id;                         // the same

    // --- shared ---
    uint64_t id;                       // never reused
    char address[CLIENT_ADDRESS_SIZE]; // "127.0.0.1:4711", "[::1]:4711" or "/path:0"
    char local_address[CLIENT_ADDRESS_SIZE];
    bool is_unix_socket;
    uint64_t connected_us;           // by clock_duration_us()
    _Atomic uint64_t last_active_us; // by clock_duration_us()
    _Atomic(const struct command *) last_command;
    _Atomic uint64_t total_commands, input_bytes, output_bytes;
    _Atomic size_t query_buffer, query_memory, output_memory, multi_memory;
    _Atomic uint32_t flags_shown; // enum client_shown
    _Atomic int wait_state;       // whether CLIENT UNBLOCK can end its wait: server/blocking.c
    _Atomic int topics_shown[3];  // by enum topic_kind: how many it has subscribed to
    _Atomic int multi_shown;      // queued commands, or CLIENT_NOT_IN_MULTI
    _Atomic int watch_shown;
    _Atomic int protocol_shown;
    char *name, *library_name, *library_version; // guarded by the registry's lock; NULL: not set
    struct client *registry_previous, *registry_next;
};

enum client_shown {
    SHOWN_MONITOR = 1,
    SHOWN_MULTI = 2,
    SHOWN_BLOCKED = 4,
    SHOWN_UNIX = 8,
    SHOWN_CLOSING = 16,
    SHOWN_NO_EVICT = 32,
    SHOWN_NO_TOUCH = 64,
    SHOWN_PAUSED = 128,
    SHOWN_DIRTY_EXEC = 256,
    SHOWN_READONLY = 512,
    SHOWN_SUBSCRIBER = 1024
};

// True if the client has yet to give the password. Without a password nobody must, whoever came before it was
// removed included.
bool client_must_authenticate(const struct client *client);

// Raises or clears one of the flags that CLIENT LIST shows.
void client_show(struct client *client, enum client_shown flag, bool on);

// Shows how many commands MULTI has queued and how much memory they take.
enum { CLIENT_NOT_IN_MULTI = -1 };
void client_show_queue(struct client *client, int count, size_t memory);

// Closes at the end of the round without sending what is pending. On the client's own worker.
void client_kill(struct client *client);

// Once what is pending has been sent, the connection is no client's any more: the socket goes to `heir`,
// which is called exactly once, on the client's worker. What has arrived behind the running command is lost.
void client_hand_over(struct client *client, client_heir_function *heir, void *context);

// The running command's reply comes later: no more of this client's commands run until client_unblock(). One
// that waits for a key is dispatched again then (server/blocking.h).
void client_block(struct client *client);
// On the client's worker, in its command: when that command's bytes reached this host.
boot_ns_t client_command_arrived(struct client *client, const struct wall_reading *now);

// On the client's worker: the reply has been written, or the wait is over; goes on with its input.
void client_unblock(struct client *client);

#endif
