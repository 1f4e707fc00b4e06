hvnetd_SRCS := options.c names.c rpc.c helper.c read.c control.c control_client.c child.c privileges.c \
	object.c change.c change_calls.c change_end.c job.c event.c store.c store_file.c \
	daemon.c reference.c switch.c uplink.c uplink_open.c uplink_listen.c team.c share.c port.c policy.c acl.c bandwidth.c vm.c adapter.c \
	extension.c extension_library.c capture.c diag.c diag_frame.c diag_watch.c view.c stats.c topology.c methods.c methods_switch.c methods_uplink.c methods_adapter.c \
	methods_port.c methods_policy.c methods_fdb.c methods_mcast.c methods_config.c methods_extension.c
hvnetd_PROGS := hvnetd stall_bench
hvnetd_TESTS := rpc_test.c helper_test.c acl_test.c api_test.c store_test.c change_test.c state_test.c uplink_test.c bandwidth_test.c \
	listen_test.c options_test.c e2e_test.c launch_test.c emulated_test.c capture_test.c extension_test.c event_test.c diag_frame_test.c mcast_test.c
hvnetd_USES := hvnetctl api e1000 netvsp vmbus vswitch vfio-user base
hvnetd_PKGS := jansson libsystemd libcap-ng libpcap

# The tests run the programs.
$(B)/hvnetd/e2e_test $(B)/hvnetd/launch_test $(B)/hvnetd/emulated_test: | $(B)/bin/hvnetd $(B)/bin/hvnet-qemu
$(B)/hvnetd/change_test $(B)/hvnetd/state_test $(B)/hvnetd/uplink_test $(B)/hvnetd/bandwidth_test $(B)/hvnetd/listen_test: | $(B)/bin/hvnetd
$(B)/hvnetd/extension_test $(B)/hvnetd/event_test: | $(B)/bin/hvnetd $(B)/bin/hvnetctl $(B)/bin/hvnet-extension $(EXTENSIONS_OUT) $(BAD_OUT) $(TEST_OUT)
$(B)/hvnetd/capture_test $(B)/hvnetd/change_test $(B)/hvnetd/mcast_test: | $(B)/bin/hvnetd $(B)/bin/hvnetctl
