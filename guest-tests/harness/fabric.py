# SPDX-License-Identifier: MIT
"""What `mesh` measures on: an end of every kind of port, and how each of them gets to the NAT.

One guest has two synthetic NICs, two emulated ones, and two virtio ones that are stream ports: hvnetd
connects to QEMU for the first, QEMU to hvnetd for the second. The host has two NICs of its own on the
switch, the second in another namespace; behind a veth pair, which is the switch's uplink, there is a
neighbour. A second switch has the user-mode NAT.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from . import judge, paths
from .daemon import Daemon
from .ends import IPERF3, End, Namespace
from .guest import Guest
from .lab import Lab

SWITCH, NAT_SWITCH, VM = "mesh", "outside", "hub"
GUEST_KINDS = ("synthetic", "emulated", "stream")
HOST_KINDS = ("tap", "external")
GATEWAY, BEHIND_NAT = "10.0.2.2", "10.0.2.100/24"


class HubNics:
    """The guest's six NICs."""

    driver = "all"

    def __init__(self, daemon: Daemon, folder: Path):
        self.daemon, self.folder = daemon, folder

    @staticmethod
    def macs() -> list[tuple[str, str]]:
        return [(kind, f"02:15:5d:00:{place:02x}:{number:02x}")
                for place, kind in enumerate(GUEST_KINDS) for number in (0, 1)]

    def command(self, guest: Guest, qemu_arguments: list[str]) -> list[str | Path]:
        nics: list[str] = []
        streams: list[str] = []
        for kind, mac in self.macs():
            number = int(mac[-1])
            if kind == "stream":
                streams += ["-netdev", f"stream,id=s{number},server={'off' if number else 'on'},"
                            f"addr.type=unix,addr.path={self.folder / f'stream{number}'}",
                            "-device", f"virtio-net-pci,netdev=s{number},mac={mac}"]
            else:
                nics += ["--nic", f"{kind},mac={mac},switch={SWITCH},name={kind}{number}"]
        return [paths.require(paths.HVNET_QEMU, "make"), "--socket", self.daemon.socket,
                "--qemu", paths.require(paths.QEMU, "scripts/setup guests"), "--vm", VM, *nics, "--",
                *qemu_arguments, *streams]


class Fabric:
    def __init__(self, lab: Lab, series: str):
        self.lab, self.series = lab, series
        self.folder = lab.folder / VM
        self.folder.mkdir()
        self.host = Namespace("host", lab.folder)
        self.second = Namespace("second", lab.folder)
        self.wire = Namespace("wire", lab.folder)
        self.host.run(f"ip link add up0 type veth peer name peer0 netns {self.wire.pid}; "
                      "ip link set up0 mtu 9000 up")
        self.wire.run("ip link set peer0 mtu 9000 up; ip addr add 192.0.2.200/24 dev peer0")
        self.daemon = Daemon(lab.folder, self.host.inside(), ["--allow-tap", "--allow-uplinks"])
        self.ends: dict[str, list[End]] = {}

    def stop(self) -> None:
        for namespace in (self.host, self.second, self.wire):
            namespace.stop()

    def set_up(self) -> None:
        self._build_switches()
        self._place_nics(self._boot())
        self.ends["tap"] = [End("tap", self.host, "htap0", "192.0.2.201"),
                            End("tap", self.second, "htap1", "192.0.2.202")]
        self.ends["external"] = [End("external", self.wire, "peer0", "192.0.2.200")]
        for ends in self.ends.values():
            for end in ends:
                end.serve(self.lab.folder, IPERF3 in self.lab.programs)

    def _build_switches(self) -> None:
        ctl = self.daemon.ctl
        ctl("switch", "add", SWITCH)
        for number, place in enumerate((self.host, self.second)):
            name = f"htap{number}"
            ctl("hostnic", "add", SWITCH, name, "--interface", name)
            if place is not self.host:
                self.host.run(f"ip link set {name} netns {place.pid}")
            place.run(f"ip link set {name} mtu 9000 up; ip addr add 192.0.2.20{1 + number}/24 dev {name}")
        ctl("uplink", "bind", SWITCH, "up0")
        self._stream(SWITCH, "stream1", listen=True)
        ctl("switch", "add", NAT_SWITCH, "--type", "nat")

    def _stream(self, switch: str, name: str, listen: bool = False) -> None:
        self.daemon.ctl("uplink", "bind", switch, "--kind", "stream", "--path", str(self.folder / name),
                        "--name", name, *(["--listen"] if listen else []))

    def _boot(self) -> Guest:
        guest = Guest(VM, self.lab.kernels[self.series], self.lab.image(self.series),
                      HubNics(self.daemon, self.folder), "", self.folder, vcpus=2)
        self.lab.guests.append(guest)
        guest.start()
        path = self.folder / "stream0"
        judge.wait_until(f"QEMU's socket {path}", path.exists, 60)
        self._stream(SWITCH, "stream0")
        guest.wait_boot()
        guest.run("cd /proc/sys/net/ipv6/conf/default; echo 0 >accept_dad")
        for module in ("hvnet_vmbus", "netvsc", "e1000", "virtio_net"):
            guest.run(f"load {module}")
        return guest

    def _place_nics(self, guest: Guest) -> None:
        for number, (kind, mac) in enumerate(HubNics.macs(), 1):
            guest.mac = mac
            name = judge.find_interface(guest, 30)
            holder = int(guest.run("unshare -n sleep 86400 >/dev/null 2>&1 & echo $!").output)
            end = End(kind, guest, name, f"192.0.2.{number}", holder)
            judge.wait_until("a namespace in the guest", lambda: guest.try_run(
                f"[ $(readlink /proc/{holder}/ns/net) != $(readlink /proc/self/ns/net) ]").ok, 10)
            guest.run(f"ip link set {name} netns {holder}")
            end.run(f"ip link set lo up; ip link set {name} up; ip addr add {end.address}/24 dev {name}")
            self.ends.setdefault(kind, []).append(end)

    # ---- to the NAT ----

    @contextmanager
    def at_nat(self, kind: str) -> Iterator[End]:
        """The first end of this kind, for a while at the NAT's switch: its gateway leads to the host's own services."""
        end = self.ends[kind][0]
        move = {"synthetic": self._move_adapter, "emulated": self._move_adapter, "stream": self._move_stream,
                "tap": self._move_tap, "external": self._patch}[kind]
        end = move(end, True)
        end.run(f"ip addr add {BEHIND_NAT} dev {end.interface}")
        judge.wait_until(f"{kind}: the gateway answers", lambda: end.pings(GATEWAY), 30)
        yield end
        end.run(f"ip addr del {BEHIND_NAT} dev {end.interface}")
        move(end, False)

    def _move_adapter(self, end: End, there: bool) -> End:
        """While the guest runs.

        It is shown a link that goes down for 2.5 s and comes back, so that it asks for its address
        anew; Linux' e1000 looks at it up to 2 s later. An ARP that begins in this time may give up
        after 3 s: so the link's return is waited for.
        """
        ups = end.link_ups()
        self.daemon.ctl("adapter", "connect", f"{VM}/{end.kind}0", NAT_SWITCH if there else SWITCH)
        judge.wait_until(f"{end.kind}: the link comes back after a move", lambda: end.link_ups() > ups, 30)
        return end

    def _move_stream(self, end: End, there: bool) -> End:
        """QEMU takes one connection after the other."""
        self.daemon.ctl("uplink", "unbind", SWITCH if there else NAT_SWITCH, "--name", "stream0")
        self._stream(NAT_SWITCH if there else SWITCH, "stream0")
        return end

    def _move_tap(self, end: End, there: bool) -> End:
        """A host NIC does not move; the host gets one there."""
        if not there:
            self.daemon.ctl("hostnic", "del", NAT_SWITCH, "ntap")
            return end
        self.daemon.ctl("hostnic", "add", NAT_SWITCH, "ntap", "--interface", "ntap")
        self.host.run("ip link set ntap mtu 9000 up")
        return End("tap", self.host, "ntap", "")

    def _patch(self, end: End, there: bool) -> End:
        """A switch has one uplink, and the NAT is one: so this goes through two, with a stream port on each."""
        if there:
            self._stream(NAT_SWITCH, "patch", listen=True)
            self._stream(SWITCH, "patch")
        else:
            self.daemon.ctl("uplink", "unbind", SWITCH, "--name", "patch")
            self.daemon.ctl("uplink", "unbind", NAT_SWITCH, "--name", "patch")
        return end
