hvnetctl_SRCS := client.c command.c draw.c table.c \
	capture.c capture_block.c capture_output.c capture_text.c
hvnetctl_PROGS := hvnetctl
hvnetctl_TESTS := command_test.c draw_test.c capture_test.c
hvnetctl_USES := vswitch base
hvnetctl_PKGS := jansson libpcap
# Graphviz is the program's alone: those who use the client do not get it.
hvnetctl_CFLAGS = $(call pc_cflags,libgvc)
hvnetctl_LDLIBS = $(call pc_libs,libgvc)
