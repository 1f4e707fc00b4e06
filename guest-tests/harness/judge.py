# SPDX-License-Identifier: MIT
"""What tests ask of guests, and what they take for an answer."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from .agentlink import Job, Result
from .guest import Guest
from .patience import stretch

TCP_PORT = 5001
UDP_PORT = 5002


class Failure(Exception):
    """What was looked at, what should have been seen, and what was."""

    def __init__(self, what: str, expected: str, seen: object):
        super().__init__(f"{what}\nexpected: {expected}\nseen:     {str(seen).strip()}")


@dataclass(frozen=True)
class Addresses:
    ip4: str
    gateway4: str
    name_server4: str
    ip6: str  # global or site-local, by router advertisement
    gateway6: str  # link-local, without the interface

    def ip(self, version: int) -> str:
        return self.ip4 if version == 4 else self.ip6


def wait_until(what: str, check, limit: float, pause: float = 0.2):
    """check()'s first true answer."""
    limit = stretch(limit)
    end = time.monotonic() + limit
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failure(what, f"within {limit:.0f} s", answer)
        time.sleep(pause)


def find_interface(guest: Guest, limit: float = 15.0) -> str:
    """The interface with the guest's MAC address: names may change when drivers are reloaded."""
    look = f"cd /sys/class/net; grep -l {guest.mac} */address; true"
    found = wait_until(f"guest {guest.name}: a network interface {guest.mac}",
                       lambda: guest.run(look).output.strip(), limit)
    guest.interface = found.split("/")[0]
    return guest.interface


def link_up(guest: Guest) -> str:
    """Loads drivers, finds the interface and brings it up; its name."""
    # Without these two, IPv6 spends two to three seconds on politeness before it is usable.
    guest.run("cd /proc/sys/net/ipv6/conf/default; echo 0 >accept_dad; "
              "echo 0 >router_solicitation_delay")
    guest.nic.load(guest)
    name = find_interface(guest)
    guest.run(f"ip link set {name} up")
    wait_until(f"guest {guest.name}: carrier on {name}",
               lambda: guest.run(f"cat /sys/class/net/{name}/carrier; true").output.strip() == "1",
               10)
    return name


def dhcp(guest: Guest) -> dict[str, str]:
    name = guest.interface
    asked = guest.try_run(f"udhcpc -i {name} -n -q -f -t 10 -T 1 -A 1 -s /etc/udhcpc", 30)
    if not asked.ok:
        raise Failure(f"guest {guest.name}: DHCP on {name}", "a lease", asked)
    lines = guest.run(f"cat /run/lease.{name}").output.splitlines()
    return dict(line.partition("=")[::2] for line in lines)


def ip6_address(guest: Guest) -> str:
    said = guest.run(f"ip -6 addr show dev {guest.interface}").output
    found = re.search(r"inet6 (\S+)/\d+ scope (?:global|site)(?! tentative)", said)
    return found[1] if found else ""


def configure(guest: Guest) -> Addresses:
    """From no driver to addresses of both kinds."""
    name = link_up(guest)
    lease = dhcp(guest)
    ip6 = wait_until(f"guest {guest.name}: an IPv6 address by router advertisement",
                     lambda: ip6_address(guest), 15)
    route = guest.run(f"ip -6 route show default dev {name}").output
    router = re.search(r"via (\S+)", route)
    if not router:
        raise Failure(f"guest {guest.name}: IPv6 default route", "via a router", route)
    return Addresses(lease["ip"], lease["router"], lease["dns"], ip6, router[1])


@dataclass(frozen=True)
class Ping:
    sent: int
    received: int
    wrong: int
    duplicates: int
    min_ms: float
    avg_ms: float
    max_ms: float
    lost: str
    senders: list[str]
    result: Result

    @property
    def good(self) -> bool:
        return self.sent > 0 and self.received == self.sent and not self.wrong


def read_ping(result: Result) -> Ping:
    words = result.words()
    if "received" not in words:
        raise Failure("ping", "a summary", result)
    count = lambda key: int(words[key])
    return Ping(count("sent"), count("received"), count("wrong"), count("dup"),
                count("min_us") / 1000, count("avg_us") / 1000, count("max_us") / 1000,
                words["lost"], [one for one in words["from"].split(",") if one], result)


def ping(guest: Guest, address: str, options: str = "-c 5 -i 20", limit: float = 60.0) -> Ping:
    """Options as in agent_ping.c. Link-local addresses get the interface by themselves.

    The wait for each answer is 3 s unless options say otherwise, and longer on a busy machine.
    """
    words = options.split()
    wait = 3000
    if "-W" in words:
        at = words.index("-W")
        wait = int(words[at + 1])
        del words[at:at + 2]
    options = " ".join([*words, "-W", str(int(stretch(wait)))])
    if address.lower().startswith(("fe80:", "ff02:")):
        address += f"%{guest.interface}"
    return read_ping(guest.try_run(f"agent ping {options} {address}", limit))


def expect_ping(guest: Guest, address: str, options: str = "-c 5 -i 20", limit: float = 60.0) -> Ping:
    """A ping of which every answer must come, unharmed, once."""
    seen = ping(guest, address, options, limit)
    if not seen.good or seen.duplicates:
        raise Failure(f"guest {guest.name} pings {address}",
                      "each request answered once, with its own bytes", seen.result)
    return seen


def serve(guest: Guest) -> None:
    """The services that transfers and UDP pings use, until the guest reboots."""
    for tool, port in (("tcp-serve", TCP_PORT), ("udp-echo", UDP_PORT)):
        guest.spawn(f"exec agent {tool} {port}", 86400)
    listening = f"netstat -ln | grep -c -e ':{TCP_PORT} ' -e ':{UDP_PORT} '"
    wait_until(f"guest {guest.name}: test services", lambda: guest.try_run(listening).output.strip()
               == "2", 10)


def start_tcp(guest: Guest, address: str, mib: float, connections: int = 1, receive: bool = False,
              seed: int = 1, limit: float = 60.0) -> Job:
    """mib for each connection."""
    way = "-r " if receive else ""
    return guest.spawn(f"agent tcp {way}-n {connections} -t {int(stretch(limit))} {address} {TCP_PORT} "
                       f"{int(mib * 1024 * 1024)} {seed}", limit + 5)


@dataclass(frozen=True)
class Transfer:
    bytes: int
    seconds: float
    checksum: str

    @property
    def mbit_per_s(self) -> float:
        return self.bytes * 8 / 1e6 / max(self.seconds, 1e-3)


def read_tcp(guest: Guest, result: Result) -> Transfer:
    words = result.words()
    if not result.ok or "sum" not in words:
        raise Failure(f"guest {guest.name}: TCP transfer", "all bytes, unharmed", result)
    return Transfer(int(words["bytes"]), int(words["ms"]) / 1000, words["sum"])


def tcp(guest: Guest, address: str, mib: float, **how) -> Transfer:
    return read_tcp(guest, start_tcp(guest, address, mib, **how).wait())


class Traffic:
    """TCP and pings that go on in the background until it is left; losses are allowed.

    For cases that take the network away under load. Each transfer is short and they follow each
    other, so that after an interruption there are new connections soon.
    """

    def __init__(self, guest: Guest, address: str, limit: float = 120.0):
        self.guest, self.address, self.limit = guest, address, limit
        self.jobs: list[Job] = []

    def __enter__(self) -> "Traffic":
        loops = [f"agent tcp -t 5 {self.address} {TCP_PORT} 4000000",
                 f"agent tcp -r -t 5 {self.address} {TCP_PORT} 4000000",
                 f"agent ping -c 200 -s 1000 -W 50 {self.address}"]
        self.jobs = [self.guest.spawn(f"while :; do {loop} >/dev/null 2>&1 || sleep 0.05; done",
                                      self.limit) for loop in loops]
        return self

    def __exit__(self, *_) -> None:
        for job in self.jobs:
            if not job.done.is_set():
                job.stop()
