nat_SRCS := options.c stream.c net.c sandbox.c
nat_PROGS := hvnet-nat
nat_USES := base
nat_PKGS := slirp libseccomp
nat_TESTS := nat_test.c

# The test runs the program, and its guest is a file of its own.
$(B)/nat/nat_test: $(B)/nat/test_guest.o | $(B)/bin/hvnet-nat
$(B)/nat/nat_test: private nat_LDLIBS := $(B)/nat/test_guest.o
