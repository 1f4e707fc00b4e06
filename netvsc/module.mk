netvsc_SRCS := core.c core_rndis.c core_rx.c core_tx.c
netvsc_TESTS := core_test.c core_rx_test.c core_tx_test.c
