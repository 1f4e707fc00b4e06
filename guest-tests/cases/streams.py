# SPDX-License-Identifier: MIT
"""TCP with every byte checked: parallel, both ways, with offloads on and off."""

import re

from harness import judge
from harness.matrix import Pair, case

# What a person may switch with ethtool -K; a driver without one of them says so, which is fine.
LONG_NAMES = {"tx": "tx-checksumming", "rx": "rx-checksumming", "sg": "scatter-gather",
              "tso": "tcp-segmentation-offload", "gso": "generic-segmentation-offload",
              "gro": "generic-receive-offload"}


def features(pair: Pair) -> set[str]:
    """The main lines of ethtool -k; those below them follow in their own ways."""
    said = pair.subject.run(f"ethtool -k {pair.subject.interface}").output
    return set(re.findall(rf"^(?:{'|'.join(LONG_NAMES.values())}): on$", said, re.M))


@case("TCP, 16 MiB each way, IPv4 and IPv6", who="first")
def plain(pair: Pair) -> str:
    speeds = []
    for version in (4, 6):
        for receive in (False, True):
            seen = judge.tcp(pair.subject, pair.other.ip(version), 16, receive=receive)
            speeds.append(f"{seen.mbit_per_s:.0f}")
    return " ".join(speeds) + " Mbit/s"


@case("TCP, 8 connections each way at the same time", who="first")
def parallel(pair: Pair) -> str:
    """IPv4 one way, IPv6 the other, both directions of data in each."""
    jobs = [(pair.subject, judge.start_tcp(pair.subject, pair.other.ip4, 1.5, 8, seed=3)),
            (pair.subject, judge.start_tcp(pair.subject, pair.other.ip4, 1.5, 8, True, seed=11)),
            (pair.peer, judge.start_tcp(pair.peer, pair.own.ip6, 1.5, 8, seed=19)),
            (pair.peer, judge.start_tcp(pair.peer, pair.own.ip6, 1.5, 8, True, seed=27))]
    seen = [judge.read_tcp(guest, job.wait()) for guest, job in jobs]
    return f"{sum(one.bytes for one in seen) >> 20} MiB in {max(one.seconds for one in seen):.1f} s"


@case("TCP, many short connections", who="first")
def short(pair: Pair) -> str:
    def some() -> None:
        judge.tcp(pair.subject, pair.other.ip4, 0.001, connections=32)

    return pair.loop(10, 5, some, least=2)


@case("TCP with each offload off, and all")
def offloads(pair: Pair) -> str:
    guest, name = pair.subject, pair.subject.interface
    before = features(pair)
    switchable = [one for one in LONG_NAMES
                  if f"{LONG_NAMES[one]}: on" in before]
    for off in [[one] for one in switchable] + [switchable]:
        guest.run("; ".join(f"ethtool -K {name} {one} off" for one in off))
        for version, receive in ((4, False), (4, True), (6, False)):
            judge.tcp(guest, pair.other.ip(version), 1, receive=receive, connections=2)
        guest.run("; ".join(f"ethtool -K {name} {one} on" for one in reversed(off)))
    changed = before ^ features(pair)
    if changed:
        raise judge.Failure("offloads after being switched off and on", "as before",
                            "\n".join(sorted(changed)))
    return "switched: " + " ".join(switchable)
