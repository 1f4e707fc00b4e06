# hvnet: everything is built from here.
#
#   make run      set up what is missing, boot two guests, let them ping, print a table
#                 (SHELL=1: stay at a guest's console afterwards)
#   make test     set up what is missing, run every test suite
#   make          build the libraries and programs (needs no network and no root)
#   make check    the unit tests beside the code (the same with SAN=address or SAN=thread)
#   make lint     warnings of clang, clang-tidy and cppcheck, each header compiled alone
#   make fuzz     the fuzz targets, FUZZ_SECONDS each
#   make bench    the benchmarks      make soak     the long tests
#   make modules  the guest's kernel modules, for every kernel that set-up has fetched
#   make setup    only the set-up     make install  into DESTDIR and PREFIX
#
# A folder is a module; its module.mk names its sources:
#   x_SRCS   the library's sources        x_USES  the modules that it is built on
#   x_PROGS  programs, each from NAME.c   x_PKGS  pkg-config packages
#   x_TESTS  CUnit programs, each from one *_test.c

MODULES := base api vfio-user vmbus netvsc netvsp vswitch extensions e1000 nat softguest hvnetd hvnetctl hvnet-qemu \
	guest-tests tests bench fuzz

# `make run SHELL=1` asks for a guest's console; make's own shell stays what it is.
GUEST_SHELL := $(if $(filter command line,$(origin SHELL)),$(filter-out 0,$(SHELL)))
override SHELL := /bin/sh
MAKEOVERRIDES := $(filter-out SHELL=%,$(MAKEOVERRIDES))

SAN ?=
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
CACHE ?= $(or $(HVNET_CACHE),$(CURDIR)/.cache)
FUZZ_SECONDS ?= 60
JOBS ?= $(shell nproc)
export CACHE

VARIANT := $(or $(SAN),release)
B := build/$(VARIANT)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla
CFLAGS ?= $(if $(SAN),-O1,-O2) -g
ALL_CFLAGS = $(CFLAGS) -std=gnu11 -fno-strict-aliasing $(WARN) -I. -D_GNU_SOURCE -pthread $(SAN_FLAGS)
ALL_LDFLAGS = $(LDFLAGS) -pthread $(SAN_FLAGS)
ifeq ($(SAN),address)
SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(SAN),thread)
SAN_FLAGS := -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(SAN),fuzzer)
CC := clang
SAN_FLAGS := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
else ifneq ($(SAN),)
$(error SAN=$(SAN): known are address, thread and fuzzer)
endif

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:

# $(call closure,MODULE): the module and all that it is built on, users first.
closure = $(1) $(foreach u,$($(1)_USES),$(call closure,$(u)))
uniq = $(if $(1),$(firstword $(1)) $(call uniq,$(filter-out $(firstword $(1)),$(1))))
libs_of = $(foreach m,$(call uniq,$(call closure,$(1))),$(if $($(m)_SRCS),$(B)/lib$(m).a))
pkgs_of = $(call uniq,$(foreach m,$(call closure,$(1)),$($(m)_PKGS)))
pc_libs = $(if $(1),$(shell pkg-config --libs $(1)))
pc_cflags = $(if $(1),$(shell pkg-config --cflags $(1)))

PRESENT := $(patsubst %/module.mk,%,$(wildcard $(addsuffix /module.mk,$(MODULES))))
include $(addsuffix /module.mk,$(PRESENT))

PROGS :=
CHECKS :=
LIBS :=

define module_rules
$(1)_OBJS := $$(patsubst %.c,$$(B)/$(1)/%.o,$$($(1)_SRCS))
$$(B)/$(1)/%.o: $(1)/%.c | $$(B)/$(1)
	@echo "  CC      $$@"
	@$$(CC) $$(ALL_CFLAGS) $$(call pc_cflags,$$(call pkgs_of,$(1))) $$($(1)_CFLAGS) -MMD -MP -c -o $$@ $$<
$$(B)/$(1):
	@mkdir -p $$@
ifneq ($$($(1)_SRCS),)
LIBS += $$(B)/lib$(1).a
$$(B)/lib$(1).a: $$($(1)_OBJS)
	@rm -f $$@
	@ar rcs $$@ $$^
endif
PROGS += $$(foreach p,$$($(1)_PROGS),$$(B)/bin/$$(p))
$$(foreach p,$$($(1)_PROGS),$$(B)/bin/$$(p)): $$(B)/bin/%: $$(B)/$(1)/%.o $$(call libs_of,$(1)) | $$(B)/bin
	@echo "  LD      $$@"
	@$$(CC) $$(ALL_LDFLAGS) -o $$@ $$< -Wl,--start-group $$(call libs_of,$(1)) -Wl,--end-group \
		$$(call pc_libs,$$(call pkgs_of,$(1))) $$($(1)_LDLIBS)
CHECKS += $$(patsubst %.c,$$(B)/$(1)/%,$$($(1)_TESTS))
$$(patsubst %.c,$$(B)/$(1)/%,$$($(1)_TESTS) $$($(1)_SOAK_TESTS)): %: %.o $$(call libs_of,$(1)) $$(B)/libbase.a
	@echo "  LD      $$@"
	@$$(CC) $$(ALL_LDFLAGS) -o $$@ $$< -Wl,--start-group $$(call libs_of,$(1)) $$(B)/libbase.a -Wl,--end-group \
		$$(call pc_libs,$$(call pkgs_of,$(1)) cunit) $$($(1)_LDLIBS)
-include $$(wildcard $$(B)/$(1)/*.d)
endef
$(foreach m,$(PRESENT),$(eval $(call module_rules,$(m))))
$(B)/bin:
	@mkdir -p $@

.PHONY: all check clean run test setup lint fuzz bench soak modules install
all: $(LIBS) $(PROGS)

check: $(LIBS) $(PROGS) $(CHECKS)
	@scripts/run-checks $(VARIANT) $(CHECKS)

clean:
	rm -rf build

setup:
	@scripts/setup build guests

run:
	@scripts/setup build guests
	@$(MAKE) --no-print-directory -s -j$(JOBS) all modules
	@guest-tests/run $(if $(GUEST_SHELL),--shell)

test:
	@scripts/setup build test guests
	@tests/all

lint:
	@scripts/lint

fuzz:
	@scripts/fuzz $(FUZZ_SECONDS)

bench: all
	@bench/run

soak:
	@scripts/setup build test guests
	@tests/soak

modules:
	@scripts/build-modules

# man pages and the unit file are looked up when they are installed: what there is, is installed
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/hvnet
	install $(B)/bin/hvnetd $(DESTDIR)$(PREFIX)/sbin/
	install $(B)/bin/hvnet-nat $(DESTDIR)$(PREFIX)/libexec/hvnet/
	install $(B)/bin/hvnetctl $(B)/bin/hvnet-qemu $(B)/bin/softguest $(DESTDIR)$(PREFIX)/bin/
	install $(B)/bin/hvnet-extension $(B)/bin/hvnet-extcheck $(DESTDIR)$(PREFIX)/bin/
	install -d $(DESTDIR)$(PREFIX)/libexec/hvnet/extensions $(DESTDIR)$(PREFIX)/include/vswitch
	install -m 644 $(EXTENSIONS_OUT) $(DESTDIR)$(PREFIX)/libexec/hvnet/extensions/
	install -m 644 vswitch/extension.h $(DESTDIR)$(PREFIX)/include/vswitch/
	for page in docs/man/*.[1-8]; do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done
	install -D -m 644 hvnetd/hvnetd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/hvnetd.service
