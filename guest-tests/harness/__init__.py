# SPDX-License-Identifier: MIT
"""Real guests in QEMU, judged from inside.

What is here

    run      the main job of `make run`: two guests, DHCP, pings, TCP, a table
    suite    named cases (cases/*.py) over {kernel} x {driver} x {number of vCPUs}
    mesh     TCP between every two kinds of ports of a switch
    neighbour  the kernel's bridge, with spanning tree and VLAN filtering, beside our uplinks
    bonding  the kernel's bonding driver in a guest, at a team of our switch (team-peer.c)
    agent*.c one static C program: process 1 of each guest, and the tools that run in it
    harness/ what both programs are made of:

        paths      where the tree, the cache and the built programs are; kernels that are there
        procs      child processes: one place that starts them, and ends every one it started
        initramfs  a root file system for a guest: busybox, the agent, kernel modules
        agentlink  the host's end of the agent's virtio-serial port
        guest      one QEMU: start, boot, run commands in it, kill, console
        segment    a small switch for the reference network
        nics       which network a guest is on: hvnet's synthetic NIC, or QEMU's own e1000
        emulated   hvnet's emulated NIC, a driver e1000 or e1000@MODEL of a guest
        daemon     hvnetd for the time of a test, in a folder of its own
        qmp        what QEMU is told while a guest runs
        lab        a network with guests on it, in a temporary folder
        ends       ends of connections: interfaces in namespaces, in a guest or on the host
        fabric     what `mesh` measures on: two switches, a guest with six NICs, their neighbours
        console    the user's terminal on a guest's console
        judge      what a case asks of a guest: pings, transfers, and what they must have answered
        patience   how much longer things may take on a machine that is busy
        report     steps with progress, tables, summaries
        matrix     the suite: which cases run on which guests, in which order

How a guest is driven. A guest boots a distribution's kernel with a generated initramfs. Its
process 1 is the agent, which says hello on a virtio-serial port and then runs shell commands that
come from the host. The network under test is never used to drive the guest, so a case can take it
down, load and unload its drivers, or crash the kernel, and still ask questions afterwards.

Modes. `--nic synthetic` (the default) is the product: hvnetd's Default Switch with guests started
by hvnet-qemu. `--nic qemu-e1000` puts the same guests on QEMU's own e1000 and NAT, without any of
our code on the way: a case that fails there is itself wrong.

Processes. Whatever is started is ended by its own process handle, also when the program dies: each
child asks the kernel to be signalled when its parent goes. Nothing is ever ended by name.

Time. TCG is the baseline: a guest boots in some 5 s there, and KVM is used only where the device
really makes a virtual machine. All waits are bounded, and a wait that ran out says for what.

Only Python's standard library is used.
"""
