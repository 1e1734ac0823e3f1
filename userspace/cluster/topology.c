// SPDX-License-Identifier: Apache-2.0
//
// Reading topologies: every check that Kvrocks makes, in its order, with its words. Uses: base.
#include "cluster/topology.h"

#include "base/memory.h"
#include "base/number.h"

#include <stdlib.h>

static const char wrong_info[] = "Invalid cluster nodes info";
static const char wrong_id[] = "Invalid cluster node id";
static const char wrong_port[] = "Invalid cluster node port";
static const char wrong_role[] = "Invalid cluster node role";
static const char wrong_slot[] = "Slot is out of range";
static const char overlapping[] = "Slot distribution is overlapped";
static const char run_together[] = "Invalid nodes definition: Missing newline between node entries.";

// --- Words ---

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r';
}

// Takes the next word off the line. False at its end.
static bool next_word(struct bytes *line, struct bytes *word) {
    size_t start = 0;
    while (start < line->length && is_blank(line->data[start]))
        start++;
    size_t end = start;
    while (end < line->length && !is_blank(line->data[end]))
        end++;
    if (start == end)
        return false;
    *word = (struct bytes){.data = line->data + start, .length = end - start};
    *line = (struct bytes){.data = line->data + end, .length = line->length - end};
    return true;
}

// Takes the next line off the text. False at its end.
static bool next_line(struct bytes *text, struct bytes *line) {
    if (text->length == 0)
        return false;
    const char *end = memchr(text->data, '\n', text->length);
    size_t length = end == NULL ? text->length : (size_t)(end - text->data);
    *line = (struct bytes){.data = text->data, .length = length};
    size_t taken = end == NULL ? length : length + 1;
    *text = (struct bytes){.data = text->data + taken, .length = text->length - taken};
    return true;
}

static bool has_control_bytes(struct bytes text) {
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if ((byte < ' ' && byte != '\t' && byte != '\r' && byte != '\n') || byte == 0x7f)
            return true;
    }
    return false;
}

static bool copy_word(struct bytes word, char *out, size_t room) {
    if (word.length >= room)
        return false;
    memcpy(out, word.data, word.length);
    out[word.length] = '\0';
    return true;
}

bool node_id_is_valid(struct bytes id) {
    for (size_t i = 0; i < id.length; i++) {
        if ((unsigned char)id.data[i] <= ' ' || id.data[i] == 0x7f)
            return false;
    }
    return id.length == NODE_ID_LENGTH;
}

static bool copy_id(struct bytes word, char out[NODE_ID_LENGTH + 1]) {
    return node_id_is_valid(word) && copy_word(word, out, NODE_ID_LENGTH + 1);
}

// --- Slots ---

static bool read_slot(struct bytes word, unsigned *slot) {
    uint64_t number = 0;
    if (!number_read_unsigned(word, &number) || number >= CLUSTER_SLOT_COUNT)
        return false;
    *slot = (unsigned)number;
    return true;
}

// "n" or "a-b" with a < b.
static bool read_range(struct bytes word, struct slot_range *range) {
    const char *dash = memchr(word.data, '-', word.length);
    if (dash == NULL) {
        bool right = read_slot(word, &range->first);
        range->last = range->first;
        return right;
    }
    size_t before = (size_t)(dash - word.data);
    struct bytes first = {.data = word.data, .length = before};
    struct bytes last = {.data = dash + 1, .length = word.length - before - 1};
    return read_slot(first, &range->first) && read_slot(last, &range->last) && range->first < range->last;
}

// The next node's id in a place where only slots can stand: two lines have run together.
static bool is_hexadecimal_id(struct bytes word) {
    if (word.length != NODE_ID_LENGTH)
        return false;
    for (size_t i = 0; i < word.length; i++) {
        if (memchr("0123456789abcdefABCDEF", word.data[i], 22) == NULL)
            return false;
    }
    return true;
}

static const char *read_slots(struct topology *topology, size_t node, struct bytes words) {
    struct bytes word;
    while (next_word(&words, &word)) {
        struct slot_range range = {0};
        if (is_hexadecimal_id(word))
            return run_together;
        if (!read_range(word, &range))
            return wrong_slot;
        for (unsigned slot = range.first; slot <= range.last; slot++) {
            if (topology->owners[slot] != TOPOLOGY_NOBODY)
                return overlapping;
            topology->owners[slot] = (uint16_t)node;
        }
        topology->nodes[node].slot_count += range.last - range.first + 1;
    }
    return NULL;
}

// --- Nodes ---

static bool read_port(struct bytes word, uint16_t *port) {
    uint64_t number = 0;
    if (!number_read_unsigned(word, &number) || number == 0 || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool read_role(struct bytes word, struct cluster_node *node) {
    static const struct {
        const char *word;
        bool is_master, has_failed;
    } roles[] = {
        {"master", true, false},     {"slave", false, false},       {"replica", false, false},
        {"slave,fail", false, true}, {"replica,fail", false, true},
    };
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (!bytes_equal_text_nocase(word, roles[i].word))
            continue;
        node->is_master = roles[i].is_master;
        node->has_failed = roles[i].has_failed;
        return true;
    }
    return false;
}

// What follows the role: "-" and slots, or the master's id and nothing else.
static const char *read_rest(struct topology *topology, size_t index, struct bytes word, struct bytes rest) {
    struct cluster_node *node = &topology->nodes[index];
    if (node->is_master)
        return bytes_equal(word, BYTES_LITERAL("-")) ? read_slots(topology, index, rest) : wrong_id;
    if (!copy_id(word, node->master_id) || strcmp(node->master_id, node->id) == 0)
        return wrong_id;
    return next_word(&rest, &word) ? wrong_info : NULL;
}

static const char *read_node(struct topology *topology, struct bytes line) {
    enum { ID, HOST, PORT, ROLE, MASTER, FIELD_COUNT };
    struct bytes fields[FIELD_COUNT];
    size_t index = topology->count;
    struct cluster_node *node = &topology->nodes[index];
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!next_word(&line, &fields[i]))
            return wrong_info;
    }
    *node = (struct cluster_node){0};
    if (!copy_id(fields[ID], node->id) || topology_find(topology, fields[ID]) != TOPOLOGY_NOBODY)
        return wrong_id;
    if (!copy_word(fields[HOST], node->host, sizeof(node->host)))
        return wrong_info;
    if (!read_port(fields[PORT], &node->port))
        return wrong_port;
    if (!read_role(fields[ROLE], node))
        return wrong_role;
    topology->count++;
    return read_rest(topology, index, fields[MASTER], line);
}

static const char *read_nodes(struct topology *topology, struct bytes text, size_t *number) {
    struct bytes line;
    while (next_line(&text, &line)) {
        ++*number;
        if (has_control_bytes(line))
            return wrong_info;
        struct bytes words = line;
        struct bytes word;
        if (!next_word(&words, &word))
            continue;
        if (topology->count == TOPOLOGY_NODES_MAX)
            return wrong_info;
        if (topology->count % 16 == 0)
            topology->nodes =
                memory_reallocate(topology->nodes, (topology->count + 16) * sizeof(*topology->nodes));
        const char *error = read_node(topology, line);
        if (error != NULL)
            return error;
    }
    return topology->count == 0 ? wrong_info : NULL;
}

struct topology *topology_parse(struct bytes text, const char **error) {
    size_t line;
    return topology_parse_lines(text, error, &line);
}

struct topology *topology_parse_lines(struct bytes text, const char **error, size_t *line) {
    struct topology *topology = memory_allocate_zeroed(1, sizeof(*topology));
    for (size_t slot = 0; slot < CLUSTER_SLOT_COUNT; slot++)
        topology->owners[slot] = TOPOLOGY_NOBODY;
    *line = 0;
    *error = read_nodes(topology, text, line);
    if (*error == NULL)
        return topology;
    topology_free(topology);
    return NULL;
}

struct topology *topology_with_slots(const struct topology *topology, const struct slot_range *ranges,
                                     size_t count, size_t node) {
    struct topology *changed = memory_copy(topology, sizeof(*topology));
    changed->nodes = memory_copy(topology->nodes, topology->count * sizeof(*topology->nodes));
    for (size_t i = 0; i < count; i++) {
        for (unsigned slot = ranges[i].first; slot <= ranges[i].last; slot++) {
            if (changed->owners[slot] != TOPOLOGY_NOBODY)
                changed->nodes[changed->owners[slot]].slot_count--;
            changed->owners[slot] = (uint16_t)node;
            changed->nodes[node].slot_count++;
        }
    }
    return changed;
}

void topology_free(struct topology *topology) {
    if (topology == NULL)
        return;
    free(topology->nodes);
    free(topology);
}

// --- Looking things up ---

size_t topology_find(const struct topology *topology, struct bytes id) {
    for (size_t i = 0; i < topology->count; i++) {
        if (bytes_equal(id, (struct bytes){.data = topology->nodes[i].id, .length = NODE_ID_LENGTH}))
            return i;
    }
    return TOPOLOGY_NOBODY;
}

bool topology_next_range(const struct topology *topology, size_t node, unsigned from,
                         struct slot_range *range) {
    unsigned slot = from;
    while (slot < CLUSTER_SLOT_COUNT && topology->owners[slot] != node)
        slot++;
    range->first = slot;
    while (slot < CLUSTER_SLOT_COUNT && topology->owners[slot] == node)
        slot++;
    range->last = slot - 1;
    return range->first < slot;
}

void topology_print_ranges(const struct topology *topology, size_t node, struct buffer *out) {
    struct slot_range range;
    for (unsigned from = 0; topology_next_range(topology, node, from, &range); from = range.last + 1) {
        buffer_append_format(out, " %u", range.first);
        if (range.last != range.first)
            buffer_append_format(out, "-%u", range.last);
    }
}

void topology_print_node(const struct topology *topology, size_t node, struct buffer *out) {
    const struct cluster_node *which = &topology->nodes[node];
    buffer_append_format(out, "%s %s %u ", which->id, which->host, which->port);
    if (which->is_master) {
        buffer_append_text(out, "master -");
        topology_print_ranges(topology, node, out);
    } else {
        buffer_append_format(out, "%s %s", which->has_failed ? "slave,fail" : "slave", which->master_id);
    }
}
