// SPDX-License-Identifier: Apache-2.0
//
// Writes dumps, piece by piece, in the plain encodings that every Redis since 4.0 reads. May use: base,
// commands/dump_reader.
#ifndef KVFENCE_COMMANDS_DUMP_WRITER_H
#define KVFENCE_COMMANDS_DUMP_WRITER_H

#include "base/buffer.h"
#include "commands/dump_reader.h"

// All append. A dump is a type, for collections the number of elements (of a hash: of fields), the strings
// and scores, and the footer, which is over everything before it: the buffer was empty when the type was
// written.
void dump_write_type(struct buffer *out, enum dump_type type);
void dump_write_count(struct buffer *out, uint64_t count);
void dump_write_string(struct buffer *out, struct bytes text);
void dump_write_score(struct buffer *out, double score);
void dump_write_footer(struct buffer *out);

#endif
