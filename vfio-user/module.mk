# SPDX-License-Identifier: MIT
vfio-user_SRCS := stats.c version.c config.c desc.c guard.c file.c dma.c dma_pages.c irq.c \
	conn.c dma_msg.c region.c request.c dev.c \
	client.c client_attach.c client_dma.c client_irq.c
vfio-user_USES := base
vfio-user_PKGS := jansson
vfio-user_TESTS := version_test.c config_test.c dma_test.c irq_test.c attach_test.c conform_test.c \
	dma_msg_test.c hostile_test.c life_test.c
