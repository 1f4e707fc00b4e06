hvnetd_SRCS := options.c names.c rpc.c control.c child.c privileges.c \
	daemon.c switch.c uplink.c vm.c adapter.c methods.c stats.c capture.c
hvnetd_PROGS := hvnetd
hvnetd_TESTS := rpc_test.c options_test.c e2e_test.c launch_test.c emulated_test.c capture_test.c
hvnetd_USES := hvnetctl e1000 netvsp vmbus vswitch vfio-user base
hvnetd_PKGS := jansson libsystemd libcap-ng

# The tests run the programs.
$(B)/hvnetd/e2e_test $(B)/hvnetd/launch_test $(B)/hvnetd/emulated_test: | $(B)/bin/hvnetd $(B)/bin/hvnet-qemu
$(B)/hvnetd/capture_test: | $(B)/bin/hvnetd $(B)/bin/hvnetctl
