# SPDX-License-Identifier: MIT
"""A network with guests on it, in a temporary folder: what `run` and `suite` both set up."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Sequence

from . import initramfs, judge, paths, procs
from .daemon import Daemon
from .emulated import Emulated
from .guest import Guest
from .nics import QemuE1000, Synthetic

SYNTHETIC, REFERENCE = "synthetic", "qemu-e1000"


@dataclass(frozen=True)
class GuestSpec:
    kernel: str  # series: "6.1", "6.12"
    driver: str  # "netvsc", "hv_netvsc", "e1000"; the reference network has its own
    vcpus: int = 1

    def __str__(self) -> str:
        return f"{self.kernel} {self.driver} {self.vcpus} vCPU" + "s" * (self.vcpus > 1)


class HostServices:
    """The host's side: an echo service on the host's own loopback, which the NAT leads to."""

    PORT = 47001

    def __init__(self, folder: Path):
        self.children = [
            procs.Child(f"echo-{name}", [paths.AGENT, "udp-echo", str(self.PORT), address],
                        folder / f"echo-{name}.log")
            for name, address in (("ipv4", "127.0.0.1"), ("ipv6", "::1"))]

    def stop(self) -> None:
        for child in self.children:
            child.stop()


class Lab:
    """Use as a context: everything is ended on leaving, and the folder goes unless it is kept."""

    def __init__(self, mode: str, keep: bool = False, programs: Sequence[Path] = ()):
        """programs: of this system, for the guests, at their own places."""
        self.mode, self.keep, self.programs = mode, keep, programs
        self.folder = Path(tempfile.mkdtemp(prefix="hvnet-guests-"))
        self.kernels = paths.kernels()
        self.images: dict[str, Path] = {}
        self.daemon: Daemon | None = None
        self.guests: list[Guest] = []
        self.count = 0

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop_guests()
        if self.daemon:
            self.daemon.stop()
        if not self.keep and (not error or kind is SystemExit):
            shutil.rmtree(self.folder, ignore_errors=True)

    def start_daemon(self) -> None:
        """hvnetd with its Default Switch; the reference network needs none."""
        if self.mode == SYNTHETIC:
            self.daemon = Daemon(self.folder)

    def image(self, series: str) -> Path:
        if series not in self.kernels:
            raise paths.Missing(f"no kernel {series} in {paths.CACHE / 'kernels'}; "
                                f"there are: {', '.join(self.kernels)}")
        if series not in self.images:
            self.images[series] = initramfs.build(self.kernels[series],
                                                  self.folder / f"initramfs-{series}", self.programs)
        return self.images[series]

    def start_guests(self, specs: dict[str, GuestSpec], shell: str = "") -> list[Guest]:
        """Starts them all at once; wait_boot() each.

        The MAC addresses are the same each time: the NAT has leases for sixteen.
        """
        self.count += 1
        folder = self.folder / f"boot-{self.count}"
        folder.mkdir()
        reference = None if self.daemon else QemuE1000(folder)
        for number, (name, spec) in enumerate(specs.items(), 1):
            nic = reference or Emulated.of_driver(self.daemon, spec.driver) or \
                Synthetic(self.daemon, spec.driver)
            own = folder / name
            own.mkdir()
            guest = Guest(name, self.kernels[spec.kernel], self.image(spec.kernel), nic,
                          f"02:15:5d:00:00:{number:02x}", own, spec.vcpus,
                          shell=name == shell)
            self.guests.append(guest)
            guest.start()
        return self.guests

    def stop_guests(self) -> None:
        for guest in self.guests:
            guest.stop()
        self.guests = []

    def logs(self) -> str:
        """Where to look after a failure."""
        files = [str(path) for path in sorted(self.folder.rglob("*.log")) if path.stat().st_size]
        return "\n".join(f"  {name}" for name in files) or f"  (none in {self.folder})"


def bring_up(guest: Guest) -> judge.Addresses:
    """From booted to addresses and services."""
    addresses = judge.configure(guest)
    judge.serve(guest)
    return addresses
