// SPDX-License-Identifier: Apache-2.0
//
// Compaction filters. Uses: memory.
#include "store/compaction_filter.h"

#include "base/memory.h"

#include <stdlib.h>

struct compaction_filters {
    bool with_slot;
};

struct compaction_filters *compaction_filters_open(bool with_slot) {
    struct compaction_filters *filters = memory_allocate(sizeof(*filters));
    filters->with_slot = with_slot;
    return filters;
}

void compaction_filters_close(struct compaction_filters *filters) {
    free(filters);
}

void compaction_filters_attach(struct compaction_filters *filters, rocksdb_t *database,
                               rocksdb_column_family_handle_t *metadata_family) {
    (void)filters;
    (void)database;
    (void)metadata_family;
}

rocksdb_compactionfilterfactory_t *compaction_filters_factory(struct compaction_filters *filters,
                                                              enum column_family family) {
    (void)filters;
    (void)family;
    return NULL;
}

uint64_t compaction_filters_dropped(const struct compaction_filters *filters) {
    (void)filters;
    return 0;
}
