vmbus_SRCS := packet.c ring.c
vmbus_TESTS := ring_test.c ring_barrier_test.c
vmbus_USES := base
