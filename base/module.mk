base_SRCS := checksum.c log.c loop.c listen.c
base_TESTS := rd_test.c log_test.c loop_test.c listen_test.c
base_PKGS := liburing
