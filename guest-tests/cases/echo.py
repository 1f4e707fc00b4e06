# SPDX-License-Identifier: MIT
"""Echo requests of all sizes, one or many receivers; every payload byte is compared."""

from harness import judge
from harness.matrix import Pair, case

MTU = 1500
# Around where one, two, ... fragments begin: a fragment carries a multiple of 8 bytes.
EDGES = [(n * 1480 - 8 - 20, n * 1480 + 24) for n in (1, 2, 3, 5)]


@case("ping, every size from 0 to the MTU, IPv4")
def sizes_ipv4(pair: Pair) -> str:
    """No fragments allowed: what fits must go as one frame."""
    seen = judge.expect_ping(pair.subject, pair.other.ip4, f"-D -s 0-{MTU - 28}")
    return f"{seen.sent} sizes, {seen.avg_ms:.2f} ms"


@case("ping, sizes from 0 to the MTU, IPv6")
def sizes_ipv6(pair: Pair) -> str:
    judge.expect_ping(pair.subject, pair.other.ip6, f"-D -s {MTU - 48 - 16}-{MTU - 48}")
    seen = judge.expect_ping(pair.subject, pair.other.ip6, f"-D -s 0-{MTU - 48}/3")
    return f"{seen.sent} sizes, {seen.avg_ms:.2f} ms"


@case("ping, one byte too big is refused")
def too_big(pair: Pair) -> None:
    seen = judge.ping(pair.subject, pair.other.ip4, f"-D -W 200 -s {MTU - 27}")
    if seen.received:
        raise judge.Failure("a ping that does not fit and must not be fragmented", "no answer",
                            seen.result)


@case("ping, sizes around fragments, both versions")
def fragments(pair: Pair) -> None:
    for first, last in EDGES:
        judge.expect_ping(pair.subject, pair.other.ip4, f"-s {first}-{last}/2")
        judge.expect_ping(pair.subject, pair.other.ip6, f"-s {first - 40}-{last - 40}/4")
    judge.expect_ping(pair.subject, pair.other.ip4, "-c 3 -s 20000-65000/9000")
    judge.expect_ping(pair.subject, pair.other.ip6, "-c 3 -s 20000-65000/9000")


@case("ping, gateway, small to the MTU, both versions")
def gateway(pair: Pair) -> None:
    judge.expect_ping(pair.subject, pair.own.gateway4, "-s 0-1472/92 -W 5000")
    judge.expect_ping(pair.subject, pair.own.gateway6, "-s 0-1448/181 -W 5000")


@case("UDP echo, sizes to 65000, both versions")
def udp(pair: Pair) -> None:
    for version in (4, 6):
        judge.expect_ping(pair.subject, pair.other.ip(version),
                          f"-u {judge.UDP_PORT} -c 2 -s 0-65000/1111")


@case("ping, a thousand, each as soon as the last is back")
def quick(pair: Pair) -> str:
    seen = judge.expect_ping(pair.subject, pair.other.ip4, "-c 1000 -s 64")
    return f"{seen.min_ms:.2f}/{seen.avg_ms:.2f}/{seen.max_ms:.2f} ms"


@case("broadcast and multicast echo, both versions")
def groups(pair: Pair) -> None:
    for guest in (pair.subject, pair.peer):
        guest.run("echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts")
    broadcast = pair.own.ip4.rsplit(".", 1)[0] + ".255"
    for address, other in ((broadcast, pair.other.ip4), ("224.0.0.1", pair.other.ip4)):
        seen = judge.ping(pair.subject, address, "-b -m -c 3 -W 150")
        if seen.received != 3 or other not in seen.senders:
            raise judge.Failure(f"echo from all at {address}", f"3 rounds with {other}", seen.result)
    seen = judge.ping(pair.subject, "ff02::1", "-m -c 3 -W 150")
    if seen.received != 3 or len(seen.senders) < 2:
        raise judge.Failure("echo from all at ff02::1", "3 rounds, two guests", seen.result)


@case("broadcast and multicast datagrams arrive")
def datagrams(pair: Pair) -> None:
    """Also groups that were joined a moment before."""
    name, to = pair.peer.interface, pair.subject.interface
    broadcast = pair.own.ip4.rsplit(".", 1)[0] + ".255"
    targets = [(6001, "", broadcast), (6002, f"239.1.2.3%{name}", "239.1.2.3"),
               (6003, f"239.255.255.250%{name}", "239.255.255.250"),
               (6004, f"ff02::1234:5678%{name}", f"ff02::1234:5678%{to}")]
    jobs = [pair.peer.spawn(f"agent udp-count {port} 3 {group}", 20) for port, group, _ in targets]
    judge.wait_until(f"guest {pair.peer.name} listens", lambda: pair.peer.run(
        "netstat -lnu | grep -c ':600[1-4] '; true").output.strip() == "4", 5, 0.05)
    for port, _, address in targets:
        pair.subject.run(f"agent udp-send {address} {port} 700 20 2000")
    for job, (_, _, address) in zip(jobs, targets):
        seen = job.wait()
        if seen.words().get("received") != "20" or seen.words().get("wrong") != "0":
            raise judge.Failure(f"20 datagrams to {address}", "received=20 wrong=0", seen)
