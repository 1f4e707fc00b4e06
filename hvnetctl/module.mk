hvnetctl_SRCS := client.c args.c command.c commands.c run.c views.c batch.c complete.c help.c draw.c table.c \
	capture.c capture_output.c capture_text.c
hvnetctl_PROGS := hvnetctl
hvnetctl_TESTS := command_test.c draw_test.c capture_test.c
hvnetctl_USES := api vswitch base
hvnetctl_PKGS := jansson libpcap
# Graphviz is the program's alone: those who use the client do not get it.
hvnetctl_CFLAGS = $(call pc_cflags,libgvc)
hvnetctl_LDLIBS = $(call pc_libs,libgvc)

# The others have one thread, and Graphviz is not ours.
ifeq ($(SAN),thread)
hvnetctl_TESTS := command_test.c
endif
