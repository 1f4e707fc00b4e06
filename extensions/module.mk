# The library for extensions in processes of their own, the examples, and what tries extensions out.
extensions_SRCS := remote.c remote_services.c remote_frames.c remote_events.c check_proxy.c check_drive.c
extensions_PROGS := hvnet-extension hvnet-extcheck
extensions_USES := vswitch base
extensions_TESTS := check_test.c examples_test.c remote_test.c remote_ask_test.c

# Shared objects stand on nothing of the host: what they use of its folders is compiled into them.
EXTENSIONS_SO := pcapng bpf_filter flow_table
extensions_pcapng_SO := vswitch/pcapng.c
extensions_bpf_filter_SO := vswitch/capture_filter.c
extensions_bpf_filter_LIBS := -lpcap

# Those that the checker is tried with: the class, or what is wrong with the object itself.
extensions_bad_capture := -DBAD_CLASS=0
extensions_bad_filter := -DBAD_CLASS=1
extensions_bad_forward := -DBAD_CLASS=2
extensions_bad_abi := -DBAD_CLASS=1 -DBAD_ABI
extensions_bad_module := -DBAD_CLASS=1 -DBAD_MODULE
extensions_bad_symbol := -DBAD_SYMBOL
BAD_EXTENSIONS := capture filter forward abi module symbol
# … and one for tests that refuses what it is told to.
TEST_SO := veto

ifneq ($(SAN),fuzzer)
EXTENSIONS_OUT := $(EXTENSIONS_SO:%=$(B)/extensions/%.so)
all: $(EXTENSIONS_OUT)
$(EXTENSIONS_OUT): $(B)/extensions/%.so: extensions/%.c extensions/example.h vswitch/extension.h | $(B)/extensions
	@echo "  SO      $@"
	@$(CC) $(ALL_CFLAGS) -fPIC -shared -fvisibility=hidden $(if $(SAN),,-Wl,-z,defs) -o $@ $< $(extensions_$*_SO) \
		$(extensions_$*_LIBS)
	@chmod go-w $@

BAD_OUT := $(BAD_EXTENSIONS:%=$(B)/extensions/bad_%.so)
$(BAD_OUT): $(B)/extensions/bad_%.so: extensions/bad.c vswitch/extension.h | $(B)/extensions
	@echo "  SO      $@"
	@$(CC) $(ALL_CFLAGS) -fPIC -shared -fvisibility=hidden $(extensions_bad_$*) -o $@ $<
	@chmod go-w $@

TEST_OUT := $(TEST_SO:%=$(B)/extensions/%.so)
$(TEST_OUT): $(B)/extensions/%.so: extensions/%.c vswitch/extension.h | $(B)/extensions
	@echo "  SO      $@"
	@$(CC) $(ALL_CFLAGS) -fPIC -shared -fvisibility=hidden -o $@ $<
	@chmod go-w $@

# The tests load the objects and run the programs.
$(extensions_TESTS:%.c=$(B)/extensions/%): | $(EXTENSIONS_OUT) $(BAD_OUT) $(TEST_OUT) $(B)/bin/hvnet-extcheck $(B)/bin/hvnet-extension
endif

# The others have one thread.
ifeq ($(SAN),thread)
extensions_TESTS := remote_test.c
endif
