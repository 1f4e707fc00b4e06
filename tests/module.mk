# SPDX-License-Identifier: MIT
# Tests that cross folders. twin: docs/e1000-twin.md
tests_SRCS := twin_run.c twin_rules.c twin_registers.c twin_transmit.c twin_large.c twin_receive.c twin_model.c twin_qemu.c \
	switch_model.c switch_model_guard.c switch_model_limits.c \
	switch_model_random.c
tests_TESTS := twin_test.c switch_model_test.c
tests_PROGS := guard_host
tests_USES := e1000 hvnet-qemu hvnetctl vswitch base

# They have one thread, and the twin's other half is QEMU.
ifeq ($(SAN),thread)
tests_TESTS :=
endif
