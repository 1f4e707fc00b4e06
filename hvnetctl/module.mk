hvnetctl_SRCS := client.c command.c draw.c table.c
hvnetctl_PROGS := hvnetctl
hvnetctl_TESTS := command_test.c draw_test.c
hvnetctl_PKGS := jansson
# Graphviz is the program's alone: those who use the client do not get it.
hvnetctl_CFLAGS = $(call pc_cflags,libgvc)
hvnetctl_LDLIBS = $(call pc_libs,libgvc)
