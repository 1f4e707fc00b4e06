# SPDX-License-Identifier: MIT
vmbus_SRCS := bridge.c bus.c channel.c client.c client_channel.c connection.c gpadl.c message.c offer.c packet.c ring.c \
	session.c synic.c
vmbus_TESTS := ring_test.c ring_barrier_test.c connection_test.c channel_test.c gpadl_test.c client_test.c bridge_test.c
vmbus_USES := vfio-user base
