// SPDX-License-Identifier: Apache-2.0
//
// nodes.conf: the cluster's topology as this node knew it last, in Kvrocks' format, replaced as a whole
// whenever it changes. May use: base, cluster/topology.
//
//   # kvfence checksum <16 hexadecimal digits of what follows>; to change the file by hand, delete this line
//   version <n>
//   id <40 characters>
//   node <a line of the topology>
#ifndef KVFENCE_CLUSTER_NODES_FILE_H
#define KVFENCE_CLUSTER_NODES_FILE_H

#include "cluster/topology.h"

enum { NODES_FILE_ERROR_SIZE = 640 };

struct nodes_file {
    int64_t version;             // -1: there has been no topology yet
    char id[NODE_ID_LENGTH + 1]; // empty: nobody has said
    struct topology *topology;   // NULL: none; owned
};

// Appends the file's text.
void nodes_file_print(const struct nodes_file *nodes, struct buffer *out);
// The reverse. A text without the first line, as Kvrocks writes it, is read as well. False with what is wrong
// with it in `error`.
bool nodes_file_parse(struct bytes text, struct nodes_file *nodes, char error[NODES_FILE_ERROR_SIZE]);

// Reads the file at `path`; a missing one gives version -1, no id and no topology. False with a reason that
// names the file and says what can be done.
bool nodes_file_load(const char *path, struct nodes_file *nodes, char error[NODES_FILE_ERROR_SIZE]);

#endif
