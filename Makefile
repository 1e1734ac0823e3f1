# SPDX-License-Identifier: Apache-2.0
#
# kvfence. `make help` lists the targets.
#
#   SANITIZE=address,undefined   instruments everything, in a build directory of its own
#   BUILD=DIR                    where everything that is made goes (default: build)

MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

CC := gcc
BUILD ?= build
SANITIZE ?=
OPTIMIZE ?= -O2
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

warnings := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wcast-qual -Wwrite-strings -Wpointer-arith -Wformat=2 -Wvla -Wundef \
	-Wimplicit-fallthrough -Wdouble-promotion -Wnull-dereference -Werror
defines := -D_GNU_SOURCE -DKVFENCE_VERSION='"$(VERSION)"'
CFLAGS := -std=c17 $(OPTIMIZE) -g -fno-omit-frame-pointer -fstack-protector-strong $(warnings) $(defines) -Iuserspace
LDLIBS := -lrocksdb -levent_core -levent_pthreads -lm -lpthread
ifneq ($(SANITIZE),)
CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=$(SANITIZE)
else
LDLIBS += -ljemalloc
endif

server_sources := $(sort $(wildcard userspace/*/*.c))
server_objects := $(server_sources:%.c=$(BUILD)/%.o)
unit_tests := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
unit_support := $(patsubst %.c,$(BUILD)/%.o,$(sort $(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c))))
integration_tests := $(patsubst tests/integration/%.c,$(BUILD)/tests/integration/%,$(sort $(wildcard tests/integration/test_*.c)))
integration_support := $(patsubst %.c,$(BUILD)/%.o,$(sort $(filter-out $(wildcard tests/integration/test_*.c),$(wildcard tests/integration/*.c))))

.PHONY: all
all: $(BUILD)/kvfenced ## builds the server (the default)

$(BUILD)/kvfenced: $(BUILD)/userspace/main.o $(BUILD)/libkvfence.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libkvfence.a: $(server_objects)
	rm -f $@
	ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/test_%: $(BUILD)/tests/unit/test_%.o $(unit_support) $(BUILD)/libkvfence.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

$(BUILD)/tests/integration/test_%: $(BUILD)/tests/integration/test_%.o $(integration_support) $(BUILD)/libkvfence.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka -lhiredis $(LDLIBS)

.PHONY: unit
unit: $(unit_tests) ## builds and runs the unit tests
	for test in $(unit_tests); do $$test; done

.PHONY: integration
integration: $(BUILD)/kvfenced $(integration_tests) ## builds and runs the integration tests
	for test in $(integration_tests); do KVFENCED=$(abspath $(BUILD)/kvfenced) $$test; done

.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
