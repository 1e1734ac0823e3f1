// SPDX-License-Identifier: Apache-2.0
//
// The log: one line an event, with time, level and source, to standard output or to a file a day in a
// directory. A process has one log, as it has one standard output. May use: base/clock, base/memory.
#ifndef KVFENCE_BASE_LOG_H
#define KVFENCE_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_FATAL };

// Opens the log in `directory` (file kvrocks_YYYY-MM-DD.log there, the name that Kvrocks' tools look for, a
// new one each local day), or on standard output if `directory` is NULL. Lines are flushed as they are
// written. Until it is called, lines go to standard output. On failure returns false, puts the reason into
// `error`, and the log stays where it was. Thread-safe.
bool log_open(const char *directory, char *error, size_t error_size);

// Closes and opens the file again (log rotation, SIGHUP). On failure the old file is kept and a line says so.
void log_reopen(void);

// Lines below `level` are dropped. Default: LOG_INFO. Thread-safe.
void log_set_level(enum log_level level);

// Writes a line. Line breaks and control bytes in the message are replaced by '?', so a client cannot forge
// lines. Thread-safe; may be called with any lock held.
__attribute__((format(printf, 4, 5))) void log_write(enum log_level level, const char *file, int line,
                                                     const char *format, ...);

#define log_debug(...)   log_write(LOG_DEBUG, __FILE__, __LINE__, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, __FILE__, __LINE__, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __FILE__, __LINE__, __VA_ARGS__)
#define log_error(...)   log_write(LOG_ERROR, __FILE__, __LINE__, __VA_ARGS__)

#endif
