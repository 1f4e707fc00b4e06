# SPDX-License-Identifier: MIT
"""Ends of connections: an interface in a network namespace of its own, in a guest or on the host."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import judge, paths, procs
from .guest import Guest

PORT = judge.TCP_PORT
IPERF3 = Path("/usr/bin/iperf3")
IPERF_PORT = 5201
IPERF_SECONDS = 2
OFFLOADS = "tx rx sg tso gso gro"


class Broken(Exception):
    """A transfer that failed."""


class Namespace:
    """A network namespace of the host, held by a process that sleeps in it."""

    def __init__(self, name: str, folder: Path):
        self.holder = procs.Child(name, ["unshare", "-n", "sleep", "86400"], folder / f"{name}.log")
        end = time.monotonic() + 10
        own = os.readlink("/proc/self/ns/net")
        # unshare(1) becomes sleep(1) in the same process.
        while os.readlink(f"/proc/{self.pid}/ns/net") == own:
            if time.monotonic() > end:
                raise Broken(f"namespace {name} does not come up")
            time.sleep(0.01)
        self.run("ip link set lo up")

    @property
    def pid(self) -> int:
        return self.holder.process.pid

    def inside(self, *argv: str | Path) -> list[str | Path]:
        return ["nsenter", "-t", str(self.pid), "-n", *argv]

    def run(self, command: str, limit: float = 90.0) -> str:
        done = subprocess.run(self.inside("sh", "-c", command), text=True, capture_output=True,
                              timeout=limit)
        if done.returncode:
            raise Broken(f"{command}: {(done.stdout + done.stderr).strip()}")
        return done.stdout

    def stop(self) -> None:
        self.holder.stop()


@dataclass
class End:
    kind: str
    place: Guest | Namespace
    interface: str
    address: str
    holder: int = 0  # in the guest: the process that holds the namespace

    def run(self, command: str) -> str:
        if isinstance(self.place, Namespace):
            return self.place.run(command.replace("agent ", f"{paths.AGENT} "))
        inner = command.replace("'", "'\\''")
        return self.place.run(f"nsenter -t {self.holder} -n sh -c '{inner}'", 90).output

    def serve(self, folder: Path, iperf3: bool) -> None:
        """The agent's service, and iperf3's, until the end."""
        agent = paths.AGENT if isinstance(self.place, Namespace) else "agent"
        tools = [f"{agent} tcp-serve {PORT}"]
        if iperf3:
            tools.append(f"{IPERF3} -s -p {IPERF_PORT}")
        for number, tool in enumerate(tools):
            if isinstance(self.place, Namespace):
                name = f"serve-{self.kind}-{self.interface}-{number}"
                procs.Child(name, self.place.inside(*tool.split()), folder / f"{name}.log")
            else:
                self.place.spawn(f"exec nsenter -t {self.holder} -n {tool} >/dev/null", 86400)

    def set_offloads(self, on: bool) -> None:
        state = "on" if on else "off"
        names = OFFLOADS.split() if on else reversed(OFFLOADS.split())
        # What a driver does not have it says, and that is no failure here.
        self.run("; ".join(f"ethtool -K {self.interface} {one} {state} >/dev/null 2>&1"
                           for one in names) + "; true")

    def set_mtu(self, mtu: int) -> None:
        self.run(f"ip link set {self.interface} mtu {mtu}")

    def link_ups(self) -> int:
        """How often the interface's link has come up. What /sys shows is its mounter's namespace."""
        shown = f"mount -t sysfs sys /sys && cat /sys/class/net/{self.interface}/carrier_up_count"
        return int(self.run(f'unshare -m sh -c "{shown}"'))

    def pings(self, address: str) -> bool:
        return "received=1" in self.run(f"agent ping -c 1 -W 1000 {address}; true")

    def transfer(self, to: str, mib: float, receive: bool) -> float:
        """Mbit/s; every byte was looked at by the receiver."""
        way = "-r " if receive else ""
        said = self.run(f"agent tcp {way}-t 60 {to} {PORT} {int(mib * (1 << 20))} 5")
        words = dict(word.partition("=")[::2] for word in said.split() if "=" in word)
        if not said.startswith("ok") or "ms" not in words:
            raise Broken(f"{self.kind} {'<-' if receive else '->'} {to}: {said.strip()}")
        return int(words["bytes"]) * 8e-3 / max(int(words["ms"]), 1)

    def _iperf3_once(self, to: str, receive: bool) -> dict:
        said = self.run(f"{IPERF3} -J -c {to} -p {IPERF_PORT} -t {IPERF_SECONDS}{' -R' if receive else ''}; true")
        try:
            return json.loads(said)
        except ValueError:
            raise Broken(f"iperf3 to {to}: {said.strip()[:400]}") from None

    def iperf3(self, to: str, receive: bool) -> float:
        """Mbit/s that arrived."""
        answer = self._iperf3_once(to, receive)
        # The service may have to clear up after the one before, and takes one at a time.
        for _ in range(20):
            if "busy" not in answer.get("error", ""):
                break
            time.sleep(0.5)
            answer = self._iperf3_once(to, receive)
        if "error" in answer:
            raise Broken(f"iperf3 to {to}: {answer['error']}")
        arrived = answer["end"]["sum_received"]
        if not arrived["bytes"]:
            raise Broken(f"iperf3 to {to}: no byte arrived")
        return arrived["bits_per_second"] / 1e6
