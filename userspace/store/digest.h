// SPDX-License-Identifier: Apache-2.0
//
// A checksum of all living data, byte for byte as stored: whether two databases hold the same. What is dead
// but not reclaimed yet does not count, as each node reclaims in its own time. May use: base, store/session.
#ifndef KVFENCE_STORE_DIGEST_H
#define KVFENCE_STORE_DIGEST_H

#include "store/session.h"

enum { DIGEST_TEXT_SIZE = 41 };

// Reads everything. In a snapshot: as of that. STORE_OK with 40 hexadecimal digits, or STORE_FAILED.
enum store_status store_digest(struct store_session *session, wall_ms_t now, char text[DIGEST_TEXT_SIZE]);

#endif
