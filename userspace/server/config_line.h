// SPDX-License-Identifier: Apache-2.0
//
// Lines of a configuration file: a name, blanks, a value that is quoted or reaches to the end of the line, a
// comment from '#' on. Only for the files of the configuration. May use: base.
#ifndef KVFENCE_SERVER_CONFIG_LINE_H
#define KVFENCE_SERVER_CONFIG_LINE_H

#include "base/buffer.h"
#include "base/bytes.h"

// Borrowed from the line, but for the value, which is the caller's buffer. Without a name the line is blank
// or a comment.
struct config_line {
    struct bytes name;
    bool has_value; // false also for an empty value: such a line says nothing
};

// Takes the next line off `rest`, without its line break. False at the end of the text.
bool config_next_line(struct bytes *rest, struct bytes *line);

// Takes a line apart, the value into `value` (emptied first). Returns NULL, or what is wrong with the line.
const char *config_line_parse(struct bytes line, struct config_line *out, struct buffer *value);

// Takes the next word off `rest`: what stands between blanks. False if there is none.
bool config_next_word(struct bytes *rest, struct bytes *word);

// Appends a value so that config_line_parse() reads it back: quoted if it must be.
void config_line_quote(struct bytes value, struct buffer *out);

#endif
