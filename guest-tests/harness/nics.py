# SPDX-License-Identifier: MIT
"""The networks that a guest can be on.

Both give the same picture: guests on one segment with a gateway that does DHCP and NAT, so a case
runs on either without knowing which.
"""

from __future__ import annotations

from pathlib import Path

from . import paths, procs
from .daemon import Daemon
from .guest import Guest
from .segment import Segment


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

    def versions(self, guest: Guest) -> str:
        return self.daemon.versions(guest.mac)


class QemuE1000:
    """QEMU's own e1000 and NAT, without anything of ours."""

    driver = "e1000"

    def __init__(self, folder: Path):
        self.path = folder / "segment.sock"
        self.segment = Segment(self.path)
        # The NAT lives in a QEMU without a machine.
        self.nat = procs.Child("nat", [paths.require(paths.QEMU, "scripts/setup guests"),
                                       "-machine", "none", "-nodefaults", "-display", "none",
                                       "-netdev", self._wire(), "-netdev", "user,id=nat",
                                       "-netdev", "hubport,id=p0,hubid=0,netdev=wire",
                                       "-netdev", "hubport,id=p1,hubid=0,netdev=nat"],
                               folder / "nat.log")

    def _wire(self) -> str:
        return f"stream,id=wire,server=off,addr.type=unix,addr.path={self.path}"

    def command(self, guest: Guest, qemu_arguments: list[str]) -> list[str | Path]:
        return [paths.QEMU, *qemu_arguments, "-netdev", self._wire(),
                "-device", f"e1000,netdev=wire,mac={guest.mac}"]

    def load(self, guest: Guest) -> None:
        guest.run("load e1000")

    def unload(self, guest: Guest) -> None:
        guest.run("rmmod e1000")

    def versions(self, guest: Guest) -> str:
        return "(no protocol)"
