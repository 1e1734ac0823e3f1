# SPDX-License-Identifier: Apache-2.0
#
# kvfence. `make help` lists the targets. Sources and tests are found by wildcard: a new file needs no change here.
#
#   V=1              shows the commands
#   BUILD=DIR        where everything that is made goes (default: build)
#   SANITIZE=LIST    instruments everything, as in -fsanitize=LIST; use a BUILD of its own
#   OPTIMIZE=FLAGS   default -O2

.DEFAULT_GOAL := all
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# As many jobs as processors, unless the command line says otherwise. A make within a make shares its jobs.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

CC := gcc
AR := ar
FUZZ_CC := clang
BUILD ?= build
SANITIZE ?=
OPTIMIZE ?= -O2
VERSION := 0.1.0
PREFIX ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
DESTDIR ?=
RUN_DIR ?= $(BUILD)/run
RUN_PORT ?= 6666
ARGS ?=
FUZZ_SECONDS ?= 60

warnings := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wcast-qual -Wwrite-strings -Wpointer-arith -Wformat=2 -Wvla -Wundef \
	-Wimplicit-fallthrough -Wdouble-promotion -Wnull-dereference -Werror
language := -std=c17 -D_GNU_SOURCE -DKVFENCE_VERSION='"$(VERSION)"' -Iuserspace -I.
CFLAGS := $(language) $(OPTIMIZE) -g -fno-omit-frame-pointer -fstack-protector-strong $(warnings)
LDFLAGS :=
# What the kernel runs: no sanitizers, no warnings about what its verifier checks anyway.
BPF_CC := clang
BPF_CFLAGS := -target bpf -mcpu=v3 -std=gnu17 -O2 -g -Iuserspace -I. -I/usr/include/$(shell $(CC) -print-multiarch) \
	-Wall -Wextra -Wshadow -Werror
LDLIBS := -lbpf -lrocksdb -levent_core -levent_pthreads -lm -lpthread
ifneq ($(SANITIZE),)
# The sanitizers bring an allocator of their own, so jemalloc stays out. The code that they add misleads some warnings.
CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined -Wno-error
LDFLAGS += -fsanitize=$(SANITIZE)
else
LDLIBS += -ljemalloc
endif

programs_in = $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard $1)))
objects_of = $(patsubst %.c,$(BUILD)/%.o,$(sort $1))

server_sources := $(wildcard userspace/*/*.c)
unit_tests := $(call programs_in,tests/unit/test_*.c)
unit_support := $(call objects_of,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c tests/model/*.c)))
integration_tests := $(call programs_in,tests/integration/test_*.c)
integration_support := $(call objects_of,$(filter-out tests/integration/test_%,$(wildcard tests/integration/*.c)))
fuzz_targets := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
kernel_tests := $(call programs_in,tests/kernel/test_*.c)
fence_support := $(call objects_of,$(wildcard tests/fence/*.c))
# What operators of the fence call; they share fence-common.sh.
fence_scripts := load-fence.sh unload-fence.sh fence-status.sh watch-fence.sh
script_tests := $(sort $(wildcard tests/scripts/test_*.sh))
bpf_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard bpf/*.bpf.c)))
# Programs that integration tests load besides: the fence with counters.
test_bpf_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/integration/objects/*.bpf.c)))
replay_tests := $(fuzz_targets:%=$(BUILD)/tests/fuzz/replay_%)
bench_fence := $(BUILD)/tests/bench/bench_fence
bench_fence_tools := $(addprefix $(BUILD)/tests/bench/,write_storm program_time)
bench_programs := $(filter-out $(bench_fence),$(call programs_in,tests/bench/bench_*.c))
fuzzers := $(fuzz_targets:%=$(BUILD)/tests/fuzz/fuzz_%)
all_sources := $(sort userspace/main.c $(server_sources) $(wildcard tests/*/*.c))
all_headers := $(sort $(wildcard bpf/*.h userspace/*/*.h tests/*/*.h))

# $(call say,WORD,WHAT) starts a recipe line: a short note of what it does, unless V=1.
say = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' '$1' '$2';)
quote = '$(subst ','\'',$1)'
# $(call keep,TEXT) is a recipe that holds TEXT in the target and touches it only when the text has changed.
keep = @mkdir -p $(@D); printf '%s\n' $(call quote,$1) | cmp -s - $@ || printf '%s\n' $(call quote,$1) >$@

##@ Build

.PHONY: all
all: $(BUILD)/kvfenced $(bpf_objects) ## builds the server and the kernel's half, build/bpf/fence.bpf.o (the default)

.PHONY: FORCE
FORCE:

$(BUILD)/compiler.txt: FORCE
	$(call keep,$(CC) $(CFLAGS))

$(BUILD)/linker.txt: FORCE
	$(call keep,$(CC) $(CFLAGS) $(LDFLAGS) $(LDLIBS))

$(BUILD)/sources.txt: FORCE
	$(call keep,$(sort $(server_sources)))

$(BUILD)/bpf-compiler.txt: FORCE
	$(call keep,$(BPF_CC) $(BPF_CFLAGS))

# The debugging sections are for the BTF that is made of them; the kernel takes that alone.
$(BUILD)/%.bpf.o: %.bpf.c $(BUILD)/bpf-compiler.txt
	@mkdir -p $(@D)
	$(call say,BPF,$<)$(BPF_CC) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<
	@llvm-strip -g $@

$(BUILD)/%.o: %.c $(BUILD)/compiler.txt
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libkvfence.a: $(call objects_of,$(server_sources)) $(BUILD)/sources.txt
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $(filter %.o,$^)

link = $(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^)

$(BUILD)/kvfenced: $(BUILD)/userspace/main.o $(BUILD)/libkvfence.a $(BUILD)/linker.txt
	$(link) $(LDLIBS)

$(BUILD)/tests/unit/test_%: $(BUILD)/tests/unit/test_%.o $(unit_support) $(BUILD)/libkvfence.a $(BUILD)/linker.txt
	$(link) -lcmocka $(LDLIBS)

$(BUILD)/tests/integration/test_%: $(BUILD)/tests/integration/test_%.o $(integration_support) \
		$(BUILD)/tests/libfence.a $(BUILD)/libkvfence.a $(BUILD)/linker.txt
	$(link) -lcmocka -lhiredis $(LDLIBS)

# What tests of the kernel's half have in common; only those that load it need libbpf.
$(BUILD)/tests/libfence.a: $(fence_support)
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

$(BUILD)/tests/unit/test_fence_%: $(BUILD)/tests/unit/test_fence_%.o $(unit_support) \
		$(BUILD)/tests/libfence.a $(BUILD)/libkvfence.a $(BUILD)/linker.txt
	$(link) -lcmocka $(LDLIBS)

$(BUILD)/tests/kernel/test_%: $(BUILD)/tests/kernel/test_%.o $(BUILD)/tests/libfence.a \
		$(BUILD)/libkvfence.a $(BUILD)/linker.txt
	$(link) -lcmocka -lbpf $(LDLIBS)

$(BUILD)/tests/bench/bench_fence: $(BUILD)/tests/bench/bench_fence.o $(BUILD)/tests/libfence.a \
		$(BUILD)/libkvfence.a $(BUILD)/linker.txt
	$(link) -lbpf $(LDLIBS)

$(bench_fence_tools): %: %.o $(BUILD)/linker.txt
	$(link) -lbpf

$(BUILD)/tests/bench/bench_%: $(BUILD)/tests/bench/bench_%.o $(BUILD)/libkvfence.a $(BUILD)/linker.txt
	$(link) -lhiredis $(LDLIBS)

$(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay_main.o \
		$(BUILD)/tests/libfence.a $(BUILD)/libkvfence.a $(BUILD)/linker.txt
	$(link) $(LDLIBS)

$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/libfence.a $(BUILD)/libkvfence.a \
		$(BUILD)/linker.txt
	$(link) -fsanitize=fuzzer $(LDLIBS)

.PHONY: clean
clean: ## removes everything that was built
	rm -rf $(BUILD)

.PHONY: deps
deps: ## installs the Debian packages that building and testing need (as root, if one is missing)
	@scripts/install-deps.sh

##@ Run

.PHONY: run
run: deps ## builds and runs the server in the foreground, fenced on lo if root; ARGS='--directive value ...', RUN_DIR, RUN_PORT
	@$(MAKE) all
	@exec scripts/run-server.sh $(BUILD)/kvfenced $(RUN_DIR) $(RUN_PORT) $(ARGS)

.PHONY: demo
demo: deps ## plays the story of the fence by itself in less than a minute, on a network of its own (as root)
	@$(MAKE) all
	@scripts/demo.sh $(BUILD)/kvfenced

.PHONY: install
install: $(BUILD)/kvfenced $(bpf_objects) $(BUILD)/kvfenced.service $(BUILD)/kvfence-fence.service ## installs server, fence, sample configuration and systemd units; PREFIX, SYSCONFDIR, DESTDIR
	install -D -m 0755 $(BUILD)/kvfenced $(DESTDIR)$(PREFIX)/sbin/kvfenced
	install -D -m 0644 $(BUILD)/bpf/fence.bpf.o $(DESTDIR)$(PREFIX)/lib/kvfence/fence.bpf.o
	install -m 0644 scripts/fence-common.sh $(DESTDIR)$(PREFIX)/lib/kvfence/fence-common.sh
	@for script in $(fence_scripts); do \
		install -v -m 0755 scripts/$$script $(DESTDIR)$(PREFIX)/lib/kvfence/$$script; \
		ln -sf ../lib/kvfence/$$script $(DESTDIR)$(PREFIX)/sbin/$$script; \
	done
	install -D -m 0644 $(BUILD)/kvfence-fence.service $(DESTDIR)$(PREFIX)/lib/systemd/system/kvfence-fence.service
	install -D -m 0644 $(BUILD)/kvfenced.service $(DESTDIR)$(PREFIX)/lib/systemd/system/kvfenced.service
	install -D -m 0644 scripts/kvfence.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/kvfence.conf
	@if [ -e $(DESTDIR)$(SYSCONFDIR)/kvfence/kvfence.conf ]; then \
		echo '$(DESTDIR)$(SYSCONFDIR)/kvfence/kvfence.conf is there and stays as it is'; \
	else \
		install -v -D -m 0640 scripts/kvfence.conf $(DESTDIR)$(SYSCONFDIR)/kvfence/kvfence.conf; \
	fi

$(BUILD)/%.service: scripts/%.service.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' $< >$@

##@ Test

.PHONY: test
test: deps ## everything that must hold before a change is handed on: unit, kernel, scripts, integration and fuzz corpus replay (as root)
	@$(MAKE) test-programs
	@$(MAKE) BUILD=$(BUILD)/asan SANITIZE=address,undefined OPTIMIZE=-O1 replay-programs
	@tests/run.sh $(BUILD) $(unit_tests) $(kernel_tests) $(script_tests) $(integration_tests) \
		$(fuzz_targets:%=$(BUILD)/asan/tests/fuzz/replay_%)

.PHONY: unit
unit: $(unit_tests) ## the unit tests alone
	@tests/run.sh $(BUILD) $^

.PHONY: kernel
kernel: $(bpf_objects) $(kernel_tests) ## the tests of the BPF programs alone, on the running kernel (as root)
	@tests/run.sh $(BUILD) $(kernel_tests)

.PHONY: scripts
scripts: $(BUILD)/kvfenced $(bpf_objects) ## the tests of the fence's scripts alone, in namespaces of their own (as root)
	@tests/run.sh $(BUILD) $(script_tests)

.PHONY: test-kernel
test-kernel: $(bpf_objects) $(kernel_tests) ## the tests of the BPF programs on Debian's stock kernel, or KERNEL=FILE, emulated by qemu; takes half a minute
	@CC=$(firstword $(filter-out ccache,$(CC))) tests/kernel/boot.sh $(BUILD) $(kernel_tests)

.PHONY: integration
integration: $(BUILD)/kvfenced $(bpf_objects) $(test_bpf_objects) $(integration_tests) ## the integration tests alone, against build/kvfenced
	@tests/run.sh $(BUILD) $(integration_tests)

.PHONY: test-programs
test-programs: $(BUILD)/kvfenced $(unit_tests) $(kernel_tests) $(integration_tests) $(bpf_objects) $(test_bpf_objects)

.PHONY: replay-programs
replay-programs: $(replay_tests)

.PHONY: test-here
test-here: test-programs
	@tests/run.sh $(BUILD) $(unit_tests) $(kernel_tests) $(integration_tests)

.PHONY: test-expiries
test-expiries: $(BUILD)/kvfenced $(BUILD)/tests/integration/test_lease_expiries ## lets EXPIRIES (10000) leases run out under load; takes minutes
	@EXPIRIES=$${EXPIRIES:-10000} TEST_TIMEOUT=$${TEST_TIMEOUT:-3600} tests/run.sh $(BUILD) $(BUILD)/tests/integration/test_lease_expiries

.PHONY: test-crashes
test-crashes: $(BUILD)/kvfenced $(BUILD)/tests/integration/test_crashes ## kills the server CRASHES (200) times during writes of many keys; takes minutes
	@CRASHES=$${CRASHES:-200} TEST_TIMEOUT=$${TEST_TIMEOUT:-3600} tests/run.sh $(BUILD) $(BUILD)/tests/integration/test_crashes

.PHONY: test-chaos
test-chaos: $(BUILD)/kvfenced $(BUILD)/tests/integration/test_chaos ## master and replicas while links, nodes and roles break, for CHAOS_SECONDS (120), then CHAOS_ROUNDS (60) single failures (as root)
	@CHAOS_SECONDS=$${CHAOS_SECONDS:-120} CHAOS_ROUNDS=$${CHAOS_ROUNDS:-60} TEST_TIMEOUT=$${TEST_TIMEOUT:-3600} \
		tests/run.sh $(BUILD) $(BUILD)/tests/integration/test_chaos

.PHONY: test-failovers
test-failovers: $(BUILD)/kvfenced $(bpf_objects) $(BUILD)/tests/integration/test_failovers ## replaces cut-off masters FAILOVERS (100) times while clients write to both; takes minutes (as root)
	@FAILOVERS=$${FAILOVERS:-100} TEST_TIMEOUT=$${TEST_TIMEOUT:-3600} tests/run.sh $(BUILD) $(BUILD)/tests/integration/test_failovers

.PHONY: test-mutants
test-mutants: test-programs ## shows for each gate of the fence, the kernel's too, which tests fail when it is switched off (as root)
	@CC='$(CC)' tests/mutants.sh $(BUILD)

.PHONY: asan
asan: ## unit and integration tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) BUILD=$(BUILD)/asan SANITIZE=address,undefined OPTIMIZE=-O1 test-here

.PHONY: tsan
tsan: ## unit and integration tests under ThreadSanitizer
	@$(MAKE) BUILD=$(BUILD)/tsan SANITIZE=thread OPTIMIZE=-O1 test-here

.PHONY: fuzz fuzz-keep
fuzz: ## fuzzes every target of tests/fuzz for FUZZ_SECONDS each (60), starting from its corpus and what earlier runs found
fuzz-keep: ## adds to tests/fuzz/corpus what fuzzing has found since and reaches new code
fuzz fuzz-keep:
	@$(MAKE) CC=$(FUZZ_CC) BUILD=$(BUILD)/fuzz SANITIZE=fuzzer-no-link,address,undefined OPTIMIZE=-O1 $@-here

.PHONY: fuzz-here
fuzz-here: $(fuzzers)
	@for target in $(fuzz_targets); do \
		found=$(BUILD)/corpus/$$target; log=$(BUILD)/$$target.log; mkdir -p $$found; \
		printf '  FUZZ   %s for %s s\n' $$target $(FUZZ_SECONDS); \
		$(BUILD)/tests/fuzz/fuzz_$$target -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
			-artifact_prefix=$(BUILD)/failing-$$target- $$found tests/fuzz/corpus/$$target >$$log 2>&1 \
			|| { cat $$log; exit 1; }; \
		sed -n 's/^stat::\(number_of_executed_units\|new_units_added\): */         \1 /p' $$log; \
	done

.PHONY: fuzz-keep-here
fuzz-keep-here: $(fuzzers)
	@for target in $(fuzz_targets); do \
		mkdir -p $(BUILD)/corpus/$$target tests/fuzz/corpus/$$target; \
		$(BUILD)/tests/fuzz/fuzz_$$target -merge=1 tests/fuzz/corpus/$$target $(BUILD)/corpus/$$target; \
	done

.PHONY: bench
bench: $(BUILD)/kvfenced $(bench_programs) ## measures: every program and script of tests/bench, one after the other (replication as root)
	@for program in $(bench_programs); do \
		printf '== %s\n' $$program; KVFENCED=$(abspath $(BUILD)/kvfenced) $$program; \
	done
	@for script in $(sort $(wildcard tests/bench/*.sh)); do \
		printf '== %s\n' $$script; KVFENCED=$(abspath $(BUILD)/kvfenced) bash $$script; \
	done

.PHONY: bench-fence
bench-fence: $(BUILD)/kvfenced $(bpf_objects) $(bench_fence) $(bench_fence_tools) ## measures what the kernel's half costs a packet and a server, and what it saves (as root); fails if it is too much
	@$(bench_fence)
	@tests/bench/fence/server.sh $(BUILD)/kvfenced $(bench_fence_tools)

.PHONY: bench-replication
bench-replication: $(BUILD)/kvfenced ## measures how far a replica is behind under load, and full copies against cp over the same link (as root); fails if it is too much
	@KVFENCED=$(abspath $(BUILD)/kvfenced) tests/bench/bench_replication.sh

##@ Look

bpf_sources := $(sort $(wildcard bpf/*.bpf.c))
formatted := $(all_sources) $(all_headers) $(bpf_sources)

.PHONY: check
check: check-format check-tidy check-cppcheck check-shell check-readme ## clang-format, clang-tidy, cppcheck, shellcheck, and whether README.md has these targets; all must be silent

.PHONY: check-format
check-format: $(formatted:%=$(BUILD)/check/%.format)

$(BUILD)/check/%.format: % .clang-format
	@mkdir -p $(@D)
	@clang-format --dry-run -Werror $<
	@touch $@

.PHONY: check-tidy
check-tidy: $(all_sources:%.c=$(BUILD)/check/%.tidy) $(bpf_sources:%.c=$(BUILD)/check/%.tidy)

$(BUILD)/check/%.bpf.tidy: %.bpf.c .clang-tidy $(wildcard bpf/*.h)
	@mkdir -p $(@D)
	$(call say,TIDY,$<)clang-tidy --quiet $< -- $(BPF_CFLAGS) 2>&1 | { grep -v ' warnings\? generated\.$$' || true; }
	@touch $@

$(BUILD)/check/tests/unit/%.tidy $(BUILD)/check/tests/integration/%.tidy: analyzer_hints := -include tests/analyzer.h

$(BUILD)/check/%.tidy: %.c .clang-tidy tests/.clang-tidy
	@mkdir -p $(@D)
	$(call say,TIDY,$<)$(CC) $(language) -MM -MP -MT $@ -MF $(@:.tidy=.tidy.d) $<
	@clang-tidy --quiet $< -- $(language) $(filter-out -Werror,$(warnings)) $(analyzer_hints) 2>&1 \
		| { grep -v ' warnings\? generated\.$$' || true; }
	@touch $@

# readdir() is safe with a stream of one's own, and readdir_r() is deprecated.
cppcheck_off := --suppress=readdirCalled

.PHONY: check-cppcheck
check-cppcheck:
	@mkdir -p $(BUILD)/check/cppcheck
	$(call say,CHECK,userspace tests)cppcheck -j$(shell nproc) --quiet --std=c11 --library=posix --library=gnu \
		--enable=warning,performance,portability --inline-suppr '-DLIBBPF_OPTS(type,name,...)=struct type name = {0}' --error-exitcode=1 $(cppcheck_off) \
		--cppcheck-build-dir=$(BUILD)/check/cppcheck $(filter -D% -I%,$(language)) $(all_sources)

.PHONY: check-shell
check-shell:
	$(call say,CHECK,scripts)shellcheck .ci/run $(wildcard scripts/*.sh tests/*.sh tests/*/*.sh tests/*/*/*.sh)

.PHONY: check-readme
check-readme:
	$(call say,CHECK,README.md)diff \
		<(awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "| `make %s` | %s |\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))) \
		<(grep '^| `make ' README.md)

.PHONY: format
format: ## formats every source file in place
	clang-format -i $(formatted)

.PHONY: help
help: ## lists the targets
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

-include $(patsubst %.c,$(BUILD)/%.d,$(all_sources)) $(bpf_objects:.o=.d) $(test_bpf_objects:.o=.d) $(all_sources:%.c=$(BUILD)/check/%.tidy.d)
