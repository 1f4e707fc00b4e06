bench_PROGS := ring_bench
bench_USES := vmbus base
