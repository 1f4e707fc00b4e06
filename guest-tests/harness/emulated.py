# SPDX-License-Identifier: MIT
"""hvnet's emulated NIC under a stock driver."""

from __future__ import annotations

from pathlib import Path

from . import paths
from .daemon import Daemon
from .guest import Guest


class Emulated:
    """An 8254x of hvnetd, on the same switch as the synthetic NICs; the distribution's e1000 drives it.

    As a guest's driver it is written e1000, or e1000@MODEL.
    """

    driver = "e1000"

    def __init__(self, daemon: Daemon, model: str):
        self.daemon = daemon
        self.model = model

    @classmethod
    def of_driver(cls, daemon: Daemon, name: str) -> "Emulated | None":
        """The NIC that a guest with such a driver wants, if it is of this kind."""
        driver, _, model = name.partition("@")
        return cls(daemon, model or "82540em") if driver == cls.driver else None

    def command(self, guest: Guest, qemu_arguments: list[str]) -> list[str | Path]:
        return [paths.require(paths.HVNET_QEMU, "make"), "--socket", self.daemon.socket,
                "--qemu", paths.require(paths.QEMU, "scripts/setup guests"),
                "--nic", f"emulated,model={self.model},mac={guest.mac}", "--", *qemu_arguments]

    def load(self, guest: Guest) -> None:
        guest.run(f"load {self.driver}")

    def unload(self, guest: Guest) -> None:
        guest.run(f"rmmod {self.driver}")

    def versions(self, guest: Guest) -> str:
        for adapter in self.daemon.ctl("adapter", "show")["adapters"]:
            if adapter["mac"].lower() == guest.mac:
                speed = adapter.get("guest", {}).get("speed_mbps", 0)
                return f"{adapter['model']}, {speed} Mbit/s"
        return "(no such adapter)"
