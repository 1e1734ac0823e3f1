// SPDX-License-Identifier: Apache-2.0
//
// nodes.conf's text. The checksum stands in a comment, so that Kvrocks reads the file as well. Uses: base,
// cluster/topology.
#include "cluster/nodes_file.h"

#include "base/durable_file.h"
#include "base/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char checksum_words[] = "# kvfence checksum ";
enum { CHECKSUM_DIGITS = 16 };

// FNV-1a: finds files that were cut off or overwritten; nobody is to be kept from forging one.
static uint64_t checksum_of(struct bytes text) {
    uint64_t sum = 14695981039346656037U;
    for (size_t i = 0; i < text.length; i++)
        sum = (sum ^ (unsigned char)text.data[i]) * 1099511628211U;
    return sum;
}

void nodes_file_print(const struct nodes_file *nodes, struct buffer *out) {
    struct buffer lines = {0};
    buffer_append_format(&lines, "version %" PRId64 "\n", nodes->version);
    if (nodes->id[0] != '\0')
        buffer_append_format(&lines, "id %s\n", nodes->id);
    for (size_t i = 0; nodes->topology != NULL && i < nodes->topology->count; i++) {
        buffer_append_text(&lines, "node ");
        topology_print_node(nodes->topology, i, &lines);
        buffer_append_text(&lines, "\n");
    }
    buffer_append_format(out, "%s%016" PRIx64 "; to change the file by hand, delete this line\n",
                         checksum_words, checksum_of(buffer_bytes(&lines)));
    buffer_append(out, buffer_bytes(&lines));
    buffer_release(&lines);
}

// --- Reading ---

static bool starts_with(struct bytes text, const char *words) {
    size_t length = strlen(words);
    return text.length >= length && memcmp(text.data, words, length) == 0;
}

static struct bytes after(struct bytes text, size_t length) {
    return (struct bytes){.data = text.data + length, .length = text.length - length};
}

// Takes the next line off the text. False at its end.
static bool next_line(struct bytes *text, struct bytes *line) {
    if (text->length == 0)
        return false;
    const char *end = memchr(text->data, '\n', text->length);
    *line =
        (struct bytes){.data = text->data, .length = end == NULL ? text->length : (size_t)(end - text->data)};
    *text = after(*text, end == NULL ? text->length : line->length + 1);
    return true;
}

// Takes the checksum's line off the text, if it has one. False if it does not fit.
static bool checksum_fits(struct bytes *text) {
    struct bytes line;
    char wanted[CHECKSUM_DIGITS + 1];
    if (!starts_with(*text, checksum_words) || !next_line(text, &line))
        return true;
    (void)snprintf(wanted, sizeof(wanted), "%016" PRIx64, checksum_of(*text));
    return starts_with(after(line, sizeof(checksum_words) - 1), wanted);
}

// What has been read so far.
struct reading {
    struct nodes_file *nodes;
    struct buffer topology; // the lines of nodes
    bool has_version;
};

static struct bytes trim(struct bytes text) {
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = after(text, 1);
    while (text.length > 0 && memchr(" \t\r", text.data[text.length - 1], 3) != NULL)
        text.length--;
    return text;
}

// NULL, or what is wrong with the line.
static const char *read_line(struct reading *reading, struct bytes line) {
    line = trim(line);
    if (line.length == 0 || line.data[0] == '#')
        return NULL;
    if (starts_with(line, "version ")) {
        reading->has_version = number_read_integer(trim(after(line, 8)), &reading->nodes->version);
        return reading->has_version && reading->nodes->version >= -1 ? NULL : "the version is no number";
    }
    if (starts_with(line, "id ")) {
        struct bytes id = trim(after(line, 3));
        if (!node_id_is_valid(id))
            return "an id has 40 characters without blanks";
        memcpy(reading->nodes->id, id.data, NODE_ID_LENGTH);
        return NULL;
    }
    if (starts_with(line, "node ")) {
        buffer_append(&reading->topology, after(line, 5));
        buffer_append_text(&reading->topology, "\n");
        return NULL;
    }
    return "it starts with none of 'version', 'id' and 'node'";
}

static bool read_lines(struct reading *reading, struct bytes text, char error[NODES_FILE_ERROR_SIZE]) {
    struct bytes line;
    for (unsigned number = 1; next_line(&text, &line); number++) {
        const char *problem = read_line(reading, line);
        if (problem == NULL)
            continue;
        (void)snprintf(error, NODES_FILE_ERROR_SIZE, "%s: '%.*s'", problem, bytes_shown_length(line),
                       line.data);
        return false;
    }
    if (!reading->has_version)
        (void)snprintf(error, NODES_FILE_ERROR_SIZE, "the line with the version is missing");
    return reading->has_version;
}

static bool read_topology(const struct reading *reading, char error[NODES_FILE_ERROR_SIZE]) {
    const char *problem = NULL;
    if (reading->nodes->version < 0 && reading->topology.length == 0)
        return true;
    if (reading->nodes->version < 0)
        problem = "it has nodes, but its version says that there are none";
    else
        reading->nodes->topology = topology_parse(buffer_bytes(&reading->topology), &problem);
    if (problem != NULL)
        (void)snprintf(error, NODES_FILE_ERROR_SIZE, "%s", problem);
    return problem == NULL;
}

bool nodes_file_parse(struct bytes text, struct nodes_file *nodes, char error[NODES_FILE_ERROR_SIZE]) {
    struct reading reading = {.nodes = nodes};
    *nodes = (struct nodes_file){.version = -1};
    if (!checksum_fits(&text)) {
        (void)snprintf(error, NODES_FILE_ERROR_SIZE, "its checksum does not fit what follows");
        return false;
    }
    bool right = read_lines(&reading, text, error) && read_topology(&reading, error);
    buffer_release(&reading.topology);
    return right;
}

bool nodes_file_load(const char *path, struct nodes_file *nodes, char error[NODES_FILE_ERROR_SIZE]) {
    struct buffer text = {0};
    char problem[NODES_FILE_ERROR_SIZE] = "";
    bool exists = false;
    *nodes = (struct nodes_file){.version = -1};
    bool loaded = durable_file_read(path, &text, &exists, problem);
    if (!loaded) {
        (void)snprintf(error, NODES_FILE_ERROR_SIZE, "%s", problem);
    } else if (exists) {
        loaded = nodes_file_parse(buffer_bytes(&text), nodes, problem);
        if (!loaded)
            (void)snprintf(error, NODES_FILE_ERROR_SIZE,
                           "the cluster's topology in '%.200s' is damaged: %.250s. Delete the file to start "
                           "without a topology: the cluster's controller sends it again",
                           path, problem);
    }
    buffer_release(&text);
    return loaded;
}
