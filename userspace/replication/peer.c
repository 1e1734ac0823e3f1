// SPDX-License-Identifier: Apache-2.0
//
// Questions to a master. Uses: base, replication/link.
#include "replication/peer.h"

#include "base/memory.h"
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INFO_MAX = 1 << 20 };

bool peer_ask(struct link *link, const struct bytes *words, size_t count, struct bytes *line) {
    return link_send_command(link, words, count) && link_read_line(link, line);
}

static bool unexpected(struct link *link, const char *what, struct bytes line) {
    (void)snprintf(link->error, sizeof(link->error), "%s: %.*s", what, bytes_shown_length(line), line.data);
    return false;
}

bool peer_ask_ok(struct link *link, const struct bytes *words, size_t count) {
    struct bytes line;
    if (!peer_ask(link, words, count, &line))
        return false;
    return bytes_equal(line, BYTES_LITERAL("+OK")) || unexpected(link, "the master answers", line);
}

bool peer_authenticate(struct link *link, const char *password) {
    const struct bytes words[] = {BYTES_LITERAL("AUTH"), bytes_from_text(password)};
    return password[0] == '\0' || peer_ask_ok(link, words, 2);
}

// A section of INFO as malloc'ed text; empty if the master answers with an error. NULL: the link has failed.
static char *ask_info(struct link *link, const char *section) {
    const struct bytes words[] = {BYTES_LITERAL("INFO"), bytes_from_text(section)};
    struct bytes line;
    uint64_t length = 0;
    if (!peer_ask(link, words, 2, &line))
        return NULL;
    if (line.length == 0 || line.data[0] == '-')
        return memory_copy_text("");
    if (line.data[0] != '$' ||
        !number_read_unsigned((struct bytes){line.data + 1, line.length - 1}, &length) || length > INFO_MAX) {
        unexpected(link, "the master answers to INFO", line);
        return NULL;
    }
    if (!link_fill(link, length + 2))
        return NULL;
    char *text = memory_allocate(length + 1);
    memcpy(text, link_received(link).data, length);
    text[length] = '\0';
    link_take(link, length + 2);
    return text;
}

static uint64_t number_in(const char *text, const char *field) {
    const char *at = strstr(text, field);
    return at == NULL ? 0 : strtoull(at + strlen(field), NULL, 10);
}

bool peer_ask_kind(struct link *link, struct peer_kind *out) {
    *out = (struct peer_kind){0};
    char *server = ask_info(link, "server");
    if (server == NULL)
        return false;
    out->is_kvfence = strstr(server, "kvfence_version:") != NULL;
    free(server);
    char *replication = ask_info(link, "replication");
    if (replication == NULL)
        return false;
    out->is_replica = strstr(replication, "role:slave") != NULL;
    free(replication);
    if (!out->is_kvfence)
        return true;
    char *lease = ask_info(link, "lease");
    if (lease == NULL)
        return false;
    out->election_version = number_in(lease, "lease_highest_version:");
    free(lease);
    return true;
}
