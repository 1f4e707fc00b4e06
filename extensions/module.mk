# The library for extensions in processes of their own, the examples, and what tries extensions out.
extensions_SRCS := remote.c check_proxy.c check_drive.c
extensions_PROGS := hvnet-extension hvnet-extcheck
extensions_USES := vswitch base
extensions_TESTS :=

# Shared objects stand on nothing of the host: what they use of its folders is compiled into them.
EXTENSIONS_SO := pcapng bpf_filter flow_table
extensions_pcapng_SO := vswitch/pcapng.c
extensions_bpf_filter_SO := vswitch/capture_filter.c
extensions_bpf_filter_LIBS := -lpcap
BAD_EXTENSIONS := abi symbol order_state leaks late steals refuses scribbles hangs

ifneq ($(SAN),fuzzer)
EXTENSIONS_OUT := $(EXTENSIONS_SO:%=$(B)/extensions/%.so)
all: $(EXTENSIONS_OUT)
$(EXTENSIONS_OUT): $(B)/extensions/%.so: extensions/%.c extensions/example.h vswitch/extension.h | $(B)/extensions
	@echo "  SO      $@"
	@$(CC) $(ALL_CFLAGS) -fPIC -shared -fvisibility=hidden $(if $(SAN),,-Wl,-z,defs) -o $@ $< $(extensions_$*_SO) \
		$(extensions_$*_LIBS)
endif
