# The guests' side of the guest tests: one static program, the same for every kernel.
GUEST_AGENT_SRCS := agent.c agent_service.c agent_ping.c agent_tcp.c agent_udp.c

ifeq ($(SAN),)
all: $(B)/bin/guest-agent
$(B)/bin/guest-agent: $(addprefix guest-tests/,$(GUEST_AGENT_SRCS)) guest-tests/agent.h
	@echo "  LD      $@"
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -static -o $@ $(filter %.c,$^)
endif

# What a guest's bonding driver talks to: guest-tests/bonding.
guest-tests_PROGS := team-peer
guest-tests_USES := vswitch base
