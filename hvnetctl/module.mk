hvnetctl_SRCS := client.c command.c table.c
hvnetctl_PROGS := hvnetctl
hvnetctl_TESTS := command_test.c
hvnetctl_PKGS := jansson
