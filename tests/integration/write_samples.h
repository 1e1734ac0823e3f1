// SPDX-License-Identifier: Apache-2.0
//
// A row for each command that writes, with arguments that change something in a keyspace that is made for
// them. A new write command needs a row here. May use: the C library.
#ifndef KVFENCE_TESTS_INTEGRATION_WRITE_SAMPLES_H
#define KVFENCE_TESTS_INTEGRATION_WRITE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

struct write_sample {
    const char *command;     // in hiredis' format; %b is write_samples_payload()
    const char *always;      // how its reply begins whatever its arguments: it never changes anything
    bool left_to_the_server; // the kernel cannot tell by its words whether it writes
};

// Fills an empty database with what the samples change: commands in hiredis' format; NULL behind the last.
const char *write_samples_setup(size_t index);
// Row number `index`; NULL behind the last.
const struct write_sample *write_sample_at(size_t index);
// What DUMP says of the string "dumped".
const char *write_samples_payload(size_t *length);
// True if it is a sample of the command of this name, in lower case.
bool write_sample_is_of(const struct write_sample *sample, const char *name);

#endif
