bench_PROGS := ring_bench path_bench
bench_USES := softguest hvnetctl netvsp vswitch vmbus base
