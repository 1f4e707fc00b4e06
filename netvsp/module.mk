netvsp_SRCS := netvsp.c channel.c nvsp.c rndis.c tx.c rx.c rxbuf.c control.c oid.c offload.c link.c
netvsp_TESTS := rndis_test.c nvsp_test.c tx_test.c rx_test.c control_test.c netvsp_test.c
netvsp_USES := vmbus vswitch base
