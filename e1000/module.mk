e1000_SRCS := core.c regs.c io_bar.c reset.c eeprom.c phy.c irq.c stats.c dma.c checksum.c tx.c tx_frame.c tso.c \
	rx.c fifo.c filter.c rx_checksum.c save.c dev.c nic.c
e1000_USES := vfio-user vswitch base
e1000_TESTS := chip_test.c tx_test.c tso_test.c rx_test.c irq_test.c driver_test.c hostile_test.c \
	save_test.c live_test.c nic_test.c

# The others have one thread.
ifeq ($(SAN),thread)
e1000_TESTS := nic_test.c
endif
