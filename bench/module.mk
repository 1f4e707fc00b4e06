bench_SRCS := host.c
bench_PROGS := ring_bench path_bench e1000_bench switch_bench
bench_USES := softguest hvnetctl netvsp vswitch vmbus base
bench_PKGS := jansson

# Runs in guests, too.
ifeq ($(SAN),)
all: $(B)/bin/nic_load
$(B)/bin/nic_load: bench/nic_load.c
	@echo "  LD      $@"
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -static -o $@ $<
endif
