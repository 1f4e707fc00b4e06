softguest_SRCS := guest.c nic.c data.c forms.c respond.c
softguest_PROGS := softguest
softguest_TESTS := respond_test.c softguest_test.c reconfigure_test.c
# netvsp and vswitch: the host in the tests
softguest_USES := netvsc netvsp vswitch vmbus vfio-user base
softguest_PKGS := jansson
