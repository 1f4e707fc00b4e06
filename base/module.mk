base_SRCS := checksum.c log.c loop.c
base_TESTS := rd_test.c log_test.c loop_test.c
base_PKGS := liburing
