// SPDX-License-Identifier: Apache-2.0
//
// Dumps as Redis 7.0.15 made them, older ones put together by hand, and damaged ones. May use: base/bytes.
#ifndef KVFENCE_TESTS_UNIT_DUMP_FIXTURES_H
#define KVFENCE_TESTS_UNIT_DUMP_FIXTURES_H

#include "base/bytes.h"

struct dump_fixture {
    const char *description;
    struct bytes payload; // of a damaged one without the footer
    const char *wanted;   // type and elements as text, a score in front of its member; NULL: it is damaged
};

// Number `index`; NULL behind the last.
const struct dump_fixture *dump_fixture_at(size_t index);

#endif
