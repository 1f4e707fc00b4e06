hvnet-qemu_SRCS := options.c args.c find.c run.c
hvnet-qemu_PROGS := hvnet-qemu
hvnet-qemu_TESTS := args_test.c run_test.c
hvnet-qemu_USES := hvnetctl
hvnet-qemu_PKGS := jansson
