# SPDX-License-Identifier: MIT
"""hvnetd for the time of a test."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Sequence

from . import paths, procs


class DaemonFailed(Exception):
    pass


class Daemon:
    """Runs in the foreground in a folder of its own, with its Default Switch.

    launcher: what it is started through, e.g. nsenter; options: more of its own.
    """

    START_LIMIT = 10.0

    def __init__(self, folder: Path, launcher: Sequence[str | Path] = (),
                 options: Sequence[str] = ()):
        self.folder = folder
        self.runtime = folder / "hvnetd"
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        self.socket = self.runtime / "control"
        self.log = folder / "hvnetd.log"
        self.child = procs.Child("hvnetd", [
            *launcher, paths.require(paths.HVNETD, "make"), "--runtime-dir", self.runtime,
            "--socket", self.socket, *options], self.log)
        self._wait_ready()

    def _wait_ready(self) -> None:
        end = time.monotonic() + self.START_LIMIT
        while time.monotonic() < end and self.child.alive():
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(self.socket))
                    return
                except OSError:
                    time.sleep(0.05)
        how = "does not listen" if self.child.alive() else "ended"
        raise DaemonFailed(f"hvnetd {how} after its start; its log is {self.log}:\n"
                           f"{self.child.last_words()}")

    def alive(self) -> bool:
        return self.child.alive()

    def ctl(self, *words: str) -> dict:
        """hvnetctl's answer as data."""
        said = subprocess.run([paths.HVNETCTL, "--socket", self.socket, "--json", *words],
                              text=True, capture_output=True, timeout=30)
        if said.returncode:
            raise DaemonFailed(f"hvnetctl {' '.join(words)}: {said.stderr.strip()}")
        return json.loads(said.stdout)

    def versions(self, mac: str) -> str:
        """What the adapter of this address has negotiated: "VMBus 5.3, NVSP 6.1"."""
        for adapter in self.ctl("adapter", "show")["adapters"]:
            if adapter["mac"].lower() == mac:
                guest = adapter.get("guest", {})
                vms = {vm["name"]: vm for vm in self.ctl("vm", "show")["vms"]}
                bus = vms.get(adapter["vm"], {}).get("vmbus_version", "none")
                return f"VMBus {bus}, NVSP {guest.get('nvsp_version', 'none')}"
        return "(no such adapter)"

    def stop(self) -> None:
        self.child.stop()
