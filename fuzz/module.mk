# One libFuzzer target per parser that reads a peer's bytes: NAME is NAME_fuzz.c, its seeds are corpus/NAME/.
fuzz_TARGETS := vfio_user vmbus_control ring nvsp rndis netvsc_core stream vswitch guard headers e1000_regs e1000_rings lacp flow acl_blob snoop
fuzz_USES := e1000 netvsp netvsc vswitch vmbus vfio-user base

ifeq ($(SAN),fuzzer)
.PHONY: fuzzers
fuzzers: $(fuzz_TARGETS:%=$(B)/fuzz/%)
$(B)/fuzz/%: $(B)/fuzz/%_fuzz.o $(call libs_of,fuzz)
	@echo "  LD      $@"
	@$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< \
		-Wl,--start-group $(call libs_of,fuzz) -Wl,--end-group $(call pc_libs,$(call pkgs_of,fuzz))
endif

.PHONY: print-fuzz-targets
print-fuzz-targets:
	@echo $(fuzz_TARGETS)
