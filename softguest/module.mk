softguest_SRCS := guest.c nic.c data.c forms.c respond.c

softguest_TESTS := respond_test.c
softguest_USES := netvsc vmbus vfio-user base
softguest_PKGS := jansson
