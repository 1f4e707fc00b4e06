softguest_SRCS := guest.c nic.c data.c forms.c respond.c
softguest_PROGS := softguest
softguest_TESTS := respond_test.c softguest_test.c reconfigure_test.c daemon_test.c
# netvsp, vswitch and hvnetctl: the host in the tests
softguest_USES := netvsc netvsp vswitch vmbus vfio-user hvnetctl base
softguest_PKGS := jansson

# One test runs the programs.
$(B)/softguest/daemon_test: | $(B)/bin/hvnetd $(B)/bin/softguest
