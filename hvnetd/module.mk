hvnetd_SRCS := options.c names.c rpc.c control.c child.c privileges.c \
	daemon.c switch.c uplink.c vm.c adapter.c methods.c stats.c
hvnetd_TESTS := rpc_test.c options_test.c
hvnetd_USES := netvsp vmbus vswitch vfio-user base
hvnetd_PKGS := jansson libsystemd libcap-ng
