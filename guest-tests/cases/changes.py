# SPDX-License-Identifier: MIT
"""Reconfiguration under traffic: interface down and up, drivers out and in, MTU."""

from harness import judge
from harness.guest import Guest
from harness.matrix import Pair, case


def reach(pair: Pair, limit: float = 15.0) -> None:
    """The subject reaches its peer again; the first echoes may be lost while links settle."""
    judge.wait_until(f"guest {pair.subject.name} reaches guest {pair.peer.name}",
                     lambda: judge.ping(pair.subject, pair.other.ip4, "-W 700").good, limit)
    judge.expect_ping(pair.subject, pair.other.ip4, "-c 3")


def addresses_again(guest: Guest, own: judge.Addresses) -> str:
    """Shell words that give the interface its IPv4 address and route without asking DHCP again."""
    return (f"ip addr add {own.ip4}/24 broadcast + dev {guest.interface} 2>/dev/null; "
            f"ip route replace default via {own.gateway4}")


@case("interface down and up, 200 times, under traffic", who="turn")
def down_up(pair: Pair) -> str:
    guest, name = pair.subject, pair.subject.interface
    # In groups, so that a round costs the harness's own time only once.
    group = f"i=0; while [ $i -lt 10 ]; do ip link set {name} down && ip link set {name} up || " \
            f"exit 1; i=$((i+1)); done; {addresses_again(guest, pair.own)}"

    def ten() -> None:
        guest.run(group, 60)

    with judge.Traffic(pair.peer, pair.own.ip4), judge.Traffic(guest, pair.other.ip4):
        done = pair.loop(20, 8, ten, least=2)
    reach(pair)
    judge.wait_until("an IPv6 address", lambda: judge.ip6_address(guest) == pair.own.ip6, 15)
    judge.expect_ping(guest, pair.other.ip6, "-c 2 -W 3000")
    return f"{done} of 10"


@case("driver out and in, under traffic", who="turn")
def reload_driver(pair: Pair) -> str:
    guest = pair.subject
    driver = guest.nic.driver

    def once() -> None:
        guest.run(f"rmmod {driver} && load {driver}", 40)
        judge.find_interface(guest)
        guest.run(f"ip link set {guest.interface} up; {addresses_again(guest, pair.own)}")

    with judge.Traffic(pair.peer, pair.own.ip4), judge.Traffic(guest, pair.other.ip4):
        done = pair.loop(200, 7, once, least=3)
    reach(pair)
    return done


@case("bus and driver out and in, under traffic", who="turn")
def reload_all(pair: Pair) -> str:
    guest = pair.subject

    def once() -> None:
        guest.nic.unload(guest)
        judge.link_up(guest)
        guest.run(addresses_again(guest, pair.own))

    with judge.Traffic(pair.peer, pair.own.ip4):
        done = pair.loop(50, 5, once, least=2)
    reach(pair)
    return done


@case("MTU changes under traffic", who="turn")
def mtu(pair: Pair) -> str:
    guest, name = pair.subject, pair.subject.interface
    sizes = iter([1400, 1280, 1500, 1000, 1499, 600, 1500] * 100)

    def change() -> None:
        guest.run(f"ip link set {name} mtu {next(sizes)}; {addresses_again(guest, pair.own)}", 30)
        reach(pair)

    with judge.Traffic(pair.peer, pair.own.ip4), judge.Traffic(guest, pair.other.ip4):
        done = pair.loop(70, 5, change, least=3)
    guest.run(f"ip link set {name} mtu 1500; {addresses_again(guest, pair.own)}", 30)
    reach(pair)
    judge.expect_ping(guest, pair.other.ip4, "-D -s 1472 -c 2")
    # IPv6 leaves an interface whose MTU is below 1280, and comes back by router advertisement.
    guest.run(f"ip link set {name} down; ip link set {name} up; {addresses_again(guest, pair.own)}")
    judge.wait_until("an IPv6 address", lambda: judge.ip6_address(guest) == pair.own.ip6, 15)
    return done


@case("big frames where both allow them", who="turn")
def jumbo(pair: Pair) -> str:
    """The largest MTU that both drivers take; then back."""
    both = (pair.subject, pair.own), (pair.peer, pair.other)
    most = 0
    for size in (9000, 4000, 2000):
        if all(guest.try_run(f"ip link set {guest.interface} mtu {size}").ok for guest, _ in both):
            most = size
            break
    try:
        if most:
            for guest, own in both:
                guest.run(addresses_again(guest, own))
            reach(pair)
            judge.expect_ping(pair.subject, pair.other.ip4, f"-D -s {most - 60}-{most - 28} -c 1")
            judge.tcp(pair.subject, pair.other.ip4, 4, connections=2)
    finally:
        for guest, own in both:
            guest.run(f"ip link set {guest.interface} mtu 1500; {addresses_again(guest, own)}")
    reach(pair)
    return f"MTU {most}" if most else "only 1500"
