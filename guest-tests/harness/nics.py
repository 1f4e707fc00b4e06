# SPDX-License-Identifier: MIT
"""The networks that a guest can be on.

Both give the same picture: guests on one segment with a gateway that does DHCP and NAT, so a case
runs on either without knowing which.
"""

from __future__ import annotations

from pathlib import Path

from . import paths
from .daemon import Daemon
from .guest import Guest


class Synthetic:
    """hvnet's synthetic NIC: hvnetd's switch, our bus driver, and either driver for the NIC."""

    BUS = "hvnet_vmbus"

    def __init__(self, daemon: Daemon, driver: str):
        self.daemon = daemon
        self.driver = driver  # "netvsc" (ours) or "hv_netvsc" (the distribution's)

    def command(self, guest: Guest, qemu_arguments: list[str]) -> list[str | Path]:
        return [paths.require(paths.HVNET_QEMU, "make"), "--socket", self.daemon.socket,
                "--qemu", paths.require(paths.QEMU, "scripts/setup guests"),
                "--nic", f"synthetic,mac={guest.mac}", "--", *qemu_arguments]

    def load(self, guest: Guest) -> None:
        guest.run(f"load {self.BUS} && load {self.driver}")

    def unload(self, guest: Guest) -> None:
        guest.run(f"rmmod {self.driver} && rmmod {self.BUS}")


class QemuE1000:
    """QEMU's own e1000, without anything of ours.

    The first guest's QEMU holds the NAT and the segment; the others' join it through a socket.
    """

    def __init__(self, folder: Path):
        self.segment = folder / "segment.sock"
        self.members: list[str] = []
        self.driver = "e1000"

    def command(self, guest: Guest, qemu_arguments: list[str]) -> list[str | Path]:
        first = guest.name in self.members[:1] or not self.members
        if guest.name not in self.members:
            self.members.append(guest.name)
        if first:
            net = ["-netdev", "user,id=nat", "-netdev", "hubport,id=p0,hubid=0,netdev=nat",
                   "-netdev", f"stream,id=others,server=on,addr.type=unix,addr.path={self.segment}",
                   "-netdev", "hubport,id=p1,hubid=0,netdev=others"]
        else:
            net = ["-netdev", f"stream,id=others,server=off,addr.type=unix,addr.path={self.segment},"
                   "reconnect-ms=200", "-netdev", "hubport,id=p1,hubid=0,netdev=others"]
        return [paths.require(paths.QEMU, "scripts/setup guests"), *qemu_arguments, *net,
                "-netdev", "hubport,id=nic,hubid=0",
                "-device", f"e1000,netdev=nic,mac={guest.mac}"]

    def load(self, guest: Guest) -> None:
        guest.run("load e1000")

    def unload(self, guest: Guest) -> None:
        guest.run("rmmod e1000")
