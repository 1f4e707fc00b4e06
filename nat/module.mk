nat_SRCS := options.c framing.c network.c
nat_PROGS := hvnet-nat
nat_TESTS := options_test.c framing_test.c nat_test.c
nat_USES := base
nat_PKGS := slirp libcap-ng libseccomp
# libslirp 4.8 deprecates what 4.7 (Debian 12) has no other way for
nat_CFLAGS := -Wno-deprecated-declarations
