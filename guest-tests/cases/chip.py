# SPDX-License-Identifier: MIT
"""What a driver of the emulated NIC does to the chip: its own tests, rings, filters, offloads, resets."""

import re
from contextlib import ExitStack
from itertools import product

from harness import judge
from harness.matrix import Pair, case
from harness.patience import stretch

E1000 = "e1000"
SELF_TEST_LIMIT = 60.0  # link negotiation, ten rounds of loopback, interrupts cause by cause
STANDS_STILL = 4.0  # an interface that has not answered for so long will not; Linux looks after it every 2 s
TCTL_EN = 2
VLAN = ("192.0.2.1", "192.0.2.2")


def settle(pair: Pair, limit: float = 15.0) -> None:
    """The subject reaches its peer, after whatever was done to its link."""
    judge.wait_until(f"guest {pair.subject.name} reaches guest {pair.peer.name}",
                     lambda: judge.ping(pair.subject, pair.other.ip4, "-W 700").good, limit)
    judge.expect_ping(pair.subject, pair.other.ip4, "-c 3")


def after_reset(pair: Pair) -> bool:
    """As settle(), after a reset of a running interface; whether it needed help.

    Linux' driver has races of its own in e1000_down() (docs/e1000.md): frames go to a ring that is about to be emptied, and the
    queue waits for them for ever; or the transmitter stays off. In both the chip has nothing that it could send.
    """
    guest = pair.subject
    try:
        settle(pair, STANDS_STILL)
        return False
    except judge.Failure as failure:
        said = guest.run(f"ethtool -d {guest.interface} | grep -E ' (RCTL|TCTL|TDH|TDT) '").output
        registers = {name: int(value, 16) for name, value in re.findall(r" (\w+) +\(.*\) +0x(\w+)", said)}
        if registers["TDH"] != registers["TDT"] and registers["TCTL"] & TCTL_EN:
            raise judge.Failure("an interface that does not answer", "TDH = TDT, or TCTL.EN (bit 1) off", said) from failure
    guest.run(f"ip link set {guest.interface} down; {up_again(pair)}", 20)
    settle(pair)
    return True


def both_ways(pair: Pair) -> ExitStack:
    """TCP and pings from either guest."""
    stack = ExitStack()
    stack.enter_context(judge.Traffic(pair.peer, pair.own.ip4))
    stack.enter_context(judge.Traffic(pair.subject, pair.other.ip4))
    return stack


def up_again(pair: Pair) -> str:
    """Shell words that bring the interface up, with the route that went with it."""
    name = pair.subject.interface
    return f"ip link set {name} up; ip route replace default via {pair.own.gateway4} dev {name}"


def self_test(pair: Pair) -> None:
    guest = pair.subject
    # The driver gives an interrupt 10 ms to arrive (4), and itself 8 ms to look at 64 frames (14): where the guest's processor
    # gets too little time for that, it may try again.
    for tries_left in reversed(range(3 if stretch(1.0) > 1.0 else 1)):
        said = guest.try_run(f"ethtool -t {guest.interface} offline", SELF_TEST_LIMIT)
        results = dict(re.findall(r"^(\w+) test *\([a-z/]*line\)\s+(\d+)", said.output, re.MULTILINE))
        late = results.get("Interrupt") in ("0", "4") and results.get("Loopback") in ("0", "14")
        if said.ok or not (tries_left and late):
            break
    if not said.ok or len(results) != 5 or any(code != "0" for code in results.values()):
        raise judge.Failure("ethtool -t offline", "five tests, each with result 0", said)
    hangs = guest.try_run("dmesg | grep 'Tx Unit Hang'")
    if hangs.ok:
        raise judge.Failure("the kernel log after ethtool -t offline", "no frame that hangs", hangs)


@case("the driver's own tests of the chip", driver=E1000, long=True)
def offline(pair: Pair) -> str:
    done = pair.loop(5, 5, lambda: self_test(pair), least=1)
    settle(pair)
    return done


@case("the driver's own tests, under traffic", who="turn", driver=E1000)
def offline_under_traffic(pair: Pair) -> str:
    with both_ways(pair):
        done = pair.loop(10, 1, lambda: self_test(pair), least=1)  # one takes some 12 s
    after_reset(pair)
    return done


@case("ring sizes, under traffic", driver=E1000)
def ring_sizes(pair: Pair) -> str:
    """With the interface down: while it is up, the driver's race would sooner or later panic the guest."""
    guest, name = pair.subject, pair.subject.interface
    sizes = iter([80, 256, 4096, 1024, 80, 4096] * 100)

    def once() -> None:
        guest.run(f"ip link set {name} down; ethtool -G {name} rx {next(sizes)} tx {next(sizes)}; {up_again(pair)}", 20)
        settle(pair)

    with both_ways(pair):
        done = pair.loop(100, 3, once, least=2)
    guest.run(f"ethtool -G {name} rx 80 tx 80", 20)
    settle(pair)
    judge.tcp(guest, pair.other.ip4, 1)
    judge.tcp(pair.peer, pair.own.ip4, 1)
    guest.run(f"ethtool -G {name} rx 256 tx 256", 20)
    settle(pair)
    return done


@case("resets, pause and coalescing, in bulk traffic", who="turn", driver=E1000)
def resets(pair: Pair) -> str:
    guest, name = pair.subject, pair.subject.interface
    # An 82540 has no -C for its driver, which says so.
    kinds = iter([f"ethtool -r {name}", f"ethtool -A {name} autoneg on rx on tx on; ethtool -C {name} rx-usecs 0",
                  f"ip link set {name} down; {up_again(pair)}; ethtool -C {name} rx-usecs 3"] * 100)

    stood_still = 0

    def once() -> None:
        nonlocal stood_still
        guest.try_run(next(kinds), 20)
        stood_still += after_reset(pair)

    with both_ways(pair):
        done = pair.loop(60, 4, once, least=3)
    settle(pair)
    judge.tcp(guest, pair.other.ip4, 1)
    return f"{done}, the driver's races in {stood_still}"


@case("a reset by power state, in bulk traffic", who="turn", driver=E1000)
def power(pair: Pair) -> str:
    """The kernel resets the function under its driver's hands; down and up makes it whole."""
    guest, name = pair.subject, pair.subject.interface
    device = f"/sys/class/net/{name}/device"
    method = guest.try_run(f"cat {device}/reset_method")
    if "pm" not in method.output.split():
        raise judge.Failure("ways to reset the function", "pm (D3hot and back) is one", method)

    def once() -> None:
        said = guest.run(f"echo pm >{device}/reset_method && echo 1 >{device}/reset && ethtool -d {name} | grep RCTL", 20)
        if not said.output.strip().endswith("0x00000000"):
            raise judge.Failure("RCTL after a reset", "0", said)
        guest.run(f"ip link set {name} down; {up_again(pair)}", 20)
        after_reset(pair)

    with both_ways(pair):
        done = pair.loop(30, 2, once, least=1)
    settle(pair)
    return done


def jumbo_mtus(pair: Pair, sizes: tuple[int, ...]) -> None:
    guest, name = pair.subject, pair.subject.interface
    for mtu in sizes:
        with judge.Traffic(pair.peer, pair.own.ip4):
            guest.run(f"ip link set {name} mtu {mtu}", 20)
            after_reset(pair)
        judge.tcp(guest, pair.other.ip4, 4, seed=mtu)
        judge.tcp(pair.peer, pair.own.ip4, 4, seed=mtu)


@case("jumbo MTUs and back, under traffic", who="turn", driver=E1000)
def jumbo(pair: Pair) -> None:
    jumbo_mtus(pair, (9000, 16110, 1500))


@case("every kind of buffer, under traffic", driver=E1000, long=True)
def buffers(pair: Pair) -> None:
    """The driver changes its buffers and how it receives at 1500, 2030, and beyond a page."""
    jumbo_mtus(pair, (1501, 2000, 2030, 2031, 4000, 4078, 4079, 8000, 8200, 12000, 16110, 1500, 600, 1500))


def set_ports(pair: Pair, *policy: str) -> None:
    daemon = pair.lab.daemon
    assert daemon
    for one in daemon.ctl("adapter", "show")["adapters"]:
        if one["mac"].lower() in (pair.subject.mac, pair.peer.mac):
            daemon.ctl("vlan", "set", one["id"], *policy)


def make_vlan(pair: Pair) -> None:
    set_ports(pair, "trunk", "--native", "0", "--allowed", "7")
    for guest, address in zip((pair.subject, pair.peer), VLAN):
        made = guest.try_run("load 8021q; ip link add link {0} name v7 type vlan id 7 && ip link set v7 up && "
                             "ip addr add {1}/24 dev v7".format(guest.interface, address))
        if not made.ok:
            raise judge.Failure(f"guest {guest.name}'s VLAN interface", "it is made", made)


def drop_vlan(pair: Pair) -> None:
    for guest in (pair.subject, pair.peer):
        guest.try_run("ip link del v7")
    set_ports(pair, "untagged")


@case("a VLAN, tags by the chip and by the kernel", driver=E1000)
def vlan(pair: Pair) -> None:
    try:
        make_vlan(pair)
        for setting in ("on", "off", "on"):
            pair.subject.try_run(f"ethtool -K {pair.subject.interface} rxvlan {setting} txvlan {setting}")
            judge.wait_until("an answer on the VLAN",
                             lambda: judge.ping(pair.subject, VLAN[1], "-W 700").good, 15)
            judge.expect_ping(pair.subject, VLAN[1], "-c 3 -s 1472")
            judge.expect_ping(pair.peer, VLAN[0], "-c 3 -s 1472")
    finally:
        drop_vlan(pair)


# ethtool -K's name, what ethtool -k calls it, and without which others it can't be on. The driver keeps txvlan as rxvlan.
OFFLOADS = {"tx": ("tx-checksumming", ()), "sg": ("scatter-gather", ()), "rx": ("rx-checksumming", ()),
            "tso": ("tcp-segmentation-offload", ("tx", "sg")), "rxvlan": ("rx-vlan-offload", ()),
            "txvlan": ("tx-vlan-offload", None)}


def offload_walk(long: bool) -> list[tuple[bool, ...]]:
    """All 64 combinations, one change at a time; or eight in which any two settings have all four."""
    if long:
        return [tuple(bool((n ^ n >> 1) >> bit & 1) for bit in range(6)) for n in range(64)]
    return [(a, b, c, a != b, a != c, b != c) for a, b, c in product((True, False), repeat=3)]


def set_offloads(pair: Pair, wanted: dict[str, bool]) -> None:
    guest, name = pair.subject, pair.subject.interface
    guest.try_run(f"ethtool -K {name} " + " ".join(f"{one} {'on' if on else 'off'}" for one, on in wanted.items()))
    said = guest.run(f"ethtool -k {name}").output
    for one, (text, needs) in OFFLOADS.items():
        on = wanted["rxvlan"] if needs is None else wanted[one] and all(wanted[need] for need in needs)
        if not re.search(rf"^{text}: {'on' if on else 'off'}", said, re.MULTILINE):
            raise judge.Failure(f"ethtool -k after {wanted}", f"{text} {'on' if on else 'off'}", said)


@case("offloads in combinations, with and without a VLAN", driver=E1000)
def offloads(pair: Pair) -> str:
    walk = offload_walk(pair.long)
    try:
        make_vlan(pair)
        for number, states in enumerate([*walk, (True,) * 6]):
            set_offloads(pair, dict(zip(OFFLOADS, states)))
            settle(pair)
            for address, own in ((pair.other.ip4, pair.own.ip4), (VLAN[1], VLAN[0])):
                judge.tcp(pair.subject, address, 0.2, seed=number + 1)
                judge.tcp(pair.peer, own, 0.2, seed=number + 1)
    finally:
        drop_vlan(pair)
    return f"{len(walk)} combinations"


def multicasts(pair: Pair, group: str) -> int:
    """How many of 50 datagrams to a group that nobody has joined the chip lets in."""
    count = f"ethtool -S {pair.subject.interface} | grep rx_multicast"
    before = int(pair.subject.run(count).output.split()[-1])
    pair.peer.run(f"agent udp-send {group} 6009 300 50 1000")
    judge.expect_ping(pair.peer, pair.own.ip4, "-c 1")  # all of them have been seen
    return int(pair.subject.run(count).output.split()[-1]) - before


@case("groups: filtered, all, promiscuous", driver=E1000)
def groups(pair: Pair) -> None:
    guest, name = pair.subject, pair.subject.interface
    seen = [multicasts(pair, "239.77.1.2")]
    for mode in ("allmulti", "promisc"):
        guest.run(f"ifconfig {name} {mode}")
        seen.append(multicasts(pair, "239.77.1.2"))
        guest.run(f"ifconfig {name} -{mode}")
    seen.append(multicasts(pair, "239.77.1.2"))
    # More groups than the chip has exact filters: its table lets the rest in.
    members = guest.spawn("for i in $(seq 101 140); do "
                          f"agent udp-count 6$i 60 239.77.2.$i%{name} >/dev/null & done; wait", 80)
    judge.wait_until("40 groups are joined",
                     lambda: guest.run("grep -c 01005e4d02 /proc/net/dev_mcast; true").output.strip() == "40", 20)
    seen.append(min(multicasts(pair, f"239.77.2.{last}") for last in (101, 120, 140)))
    members.stop()
    # Some of the guests' own may be among them.
    if not (seen[0] < 25 and seen[3] < 25 and min(seen[1], seen[2], seen[4]) >= 50):
        raise judge.Failure("of 50 datagrams to a group",
                            "few, all (allmulticast), all (promiscuous), few, all (joined, among 40)", seen)


@case("promiscuous, on and off, under traffic", driver=E1000)
def modes(pair: Pair) -> str:
    guest, name = pair.subject, pair.subject.interface

    def once() -> None:
        guest.run(f"ip link set {name} promisc on && ip link set {name} promisc off")

    with judge.Traffic(pair.peer, pair.own.ip4):
        done = pair.loop(100, 3, once, least=3)
    settle(pair)
    return done


@case("link down and up by the host, ring sizes meanwhile", driver=E1000)
def link(pair: Pair) -> None:
    guest, daemon = pair.subject, pair.lab.daemon
    assert daemon
    own = next(one["id"] for one in daemon.ctl("adapter", "show")["adapters"]
               if one["mac"].lower() == guest.mac)
    folder = f"/sys/class/net/{guest.interface}"
    with both_ways(pair):
        daemon.ctl("adapter", "set", own, "--link", "down")
        judge.wait_until("no carrier, and the kernel has taken note",
                         lambda: guest.run(f"cat {folder}/carrier {folder}/operstate").output.split() == ["0", "down"], 15)
        guest.run(f"ethtool -G {guest.interface} rx 1024 tx 1024")
        daemon.ctl("adapter", "set", own, "--link", "up")
        judge.wait_until("carrier", lambda: guest.run(f"cat {folder}/carrier").output.strip() == "1", 15)
    settle(pair)
    guest.run(f"ethtool -G {guest.interface} rx 256 tx 256", 20)
    settle(pair)
