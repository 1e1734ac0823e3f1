// SPDX-License-Identifier: Apache-2.0
//
// The configuration: Kvrocks' directives with Kvrocks' names, syntax and defaults, declared as rows of
// config.def. Read by every thread: numbers and choices without a lock, text as copies. May use: base.
#ifndef KVFENCE_SERVER_CONFIG_H
#define KVFENCE_SERVER_CONFIG_H

#include "base/buffer.h"
#include "base/bytes.h"

#include <stdint.h>

enum config_id {
#define DIRECTIVE(id, ...) CONFIG_##id,
#include "server/config.def"
#undef DIRECTIVE
    CONFIG_COUNT
};

struct config;
enum { CONFIG_ERROR_SIZE = 512 };

struct config *config_open(void); // all defaults
void config_close(struct config *config);

// Where nobody has said a value, loading derives it from others: bind is 127.0.0.1 unless there is a
// unixsocket, pidfile is <dir>/kvrocks.pid, backup-dir <dir>/backup, log-dir <dir>.
//
// Both return false with the reason (file, line, directive, value, what is allowed) in `error`. Later lines
// override earlier ones. The path "-" is standard input.
bool config_load_file(struct config *config, const char *path, char error[CONFIG_ERROR_SIZE]);
// Command line pairs: --name value ...; a name may take several values up to the next --name, joined by
// blanks.
bool config_load_arguments(struct config *config, int count, char *const *arguments,
                           char error[CONFIG_ERROR_SIZE]);
// After everything is loaded: checks that need more than one directive, and refuses settings of Kvrocks that
// are not supported and would be dangerous to ignore.
bool config_validate(const struct config *config, char error[CONFIG_ERROR_SIZE]);
// Calls `each` for every directive that is set to something else than its default and does nothing here.
typedef void config_name_function(void *context, const char *name);
void config_each_without_effect(const struct config *config, config_name_function *each, void *context);

// The directive's name in a file.
const char *config_name(enum config_id id);

// Values. Calling one for a directive of another kind is an assertion failure. Thread-safe, lock-free.
bool config_yes(const struct config *config, enum config_id id);
int64_t config_integer(const struct config *config,
                       enum config_id id); // numbers and sizes, in the unit of the row
int64_t config_events(const struct config *config, enum config_id id); // server/key_event_classes.h
int config_choice(const struct config *config, enum config_id id);     // position in the row's list of words
// Text: appends a copy. rename-command's several lines are separated by line breaks: `old new`, or `old ""`
// to remove the command. Thread-safe.
void config_text(const struct config *config, enum config_id id, struct buffer *out);
// The same as malloc'ed NUL-terminated text.
char *config_text_copy(const struct config *config, enum config_id id);
bool config_text_is_set(const struct config *config, enum config_id id); // not empty
// Any directive's value as a file would have it, appended, without quotes. Thread-safe.
void config_print(const struct config *config, enum config_id id, struct buffer *out);
// Raised by one at each change: lets a reader keep a copy of a text and see cheaply whether it is still
// right. Thread-safe.
uint64_t config_generation(const struct config *config);

// Called after CONFIG SET has changed the values, with no lock held that a reader takes; must not call
// config_set() or config_rewrite(). Not called if the value is the same as before. If a later pair's hook
// refuses, it is called again with the earlier value in place. Returns NULL or a static or thread-local
// reason why the new value cannot be used, and the change is taken back. One for each id; set before threads
// start.
typedef const char *config_change_function(void *context, enum config_id id);
void config_on_change(struct config *config, enum config_id id, config_change_function *function,
                      void *context);

// CONFIG GET: calls `each` for every directive whose name matches the pattern (any case), with the value in
// its file form. Thread-safe.
typedef void config_each_function(void *context, const char *name, struct bytes value);
void config_get(const struct config *config, struct bytes pattern, config_each_function *each, void *context);

// CONFIG SET: all pairs or none. False with Redis' words in `error`, without the code word: "CONFIG SET
// failed (possibly related to argument '...') - ..." or "Unknown option or number of arguments for CONFIG SET
// - '...'". Thread-safe.
bool config_set(struct config *config, const struct bytes *names_and_values, size_t pairs,
                char error[CONFIG_ERROR_SIZE]);

// Sets a text that the server itself has changed, such as slaveof after SLAVEOF: no hook is called, and
// CONFIG SET may not be allowed to change it. It must be a value that the directive takes. Thread-safe.
void config_note(struct config *config, enum config_id id, struct bytes text);

// CONFIG REWRITE: writes the file anew (temporary file, fsync, rename, fsync of the directory): comments,
// order and lines it does not know stay, changed values are replaced in place or appended. False with a
// reason. Thread-safe.
bool config_rewrite(struct config *config, char error[CONFIG_ERROR_SIZE]);
// Path of the loaded file, or NULL.
const char *config_path(const struct config *config);

// client-output-buffer-limit, parsed. Bytes and seconds; 0: none.
enum client_class { CLIENT_CLASS_NORMAL, CLIENT_CLASS_REPLICA, CLIENT_CLASS_PUBSUB, CLIENT_CLASS_COUNT };
struct output_limit {
    uint64_t hard_bytes, soft_bytes, soft_seconds;
};
struct output_limit config_output_limit(const struct config *config, enum client_class client_class);

#endif
