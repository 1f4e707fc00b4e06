softguest_SRCS := guest.c nic.c data.c forms.c respond.c e1000_driver.c
softguest_PROGS := softguest softe1000
softguest_TESTS := respond_test.c softguest_test.c reconfigure_test.c daemon_test.c team_test.c e1000_driver_test.c diag_test.c
# netvsp, e1000, vswitch and hvnetctl: the host in the tests
softguest_USES := netvsc netvsp e1000 vswitch vmbus vfio-user hvnetctl base
softguest_PKGS := jansson

# Two tests run the programs.
$(B)/softguest/daemon_test: | $(B)/bin/hvnetd $(B)/bin/softguest
$(B)/softguest/team_test: | $(B)/bin/hvnetd $(B)/extensions/flow_table.so
$(B)/softguest/diag_test: | $(B)/bin/hvnetd $(B)/bin/hvnetctl
