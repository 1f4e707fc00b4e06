# SPDX-License-Identifier: MIT
"""Ends, orderly and not: reboot, crash, a killed QEMU. The neighbour must not notice."""

import contextlib
import time
from typing import Iterator

from harness import judge
from harness.matrix import Pair, case


@contextlib.contextmanager
def undisturbed(pair: Pair) -> Iterator[None]:
    """The peer talks with the gateway all the while, and loses nothing."""
    job = pair.peer.spawn("while [ ! -e /run/enough ]; do agent ping -c 10 -i 10 -W 5000 "
                          f"{pair.other.gateway4} || exit 1; done", 120)
    time.sleep(0.3)
    try:
        yield
    finally:
        pair.peer.run("touch /run/enough")
        seen = job.wait()
        pair.peer.run("rm /run/enough")
    if not seen.ok:
        raise judge.Failure(f"guest {pair.peer.name}'s pings of the gateway meanwhile",
                            "none lost", seen)


def back_again(pair: Pair) -> None:
    pair.subject.wait_boot()
    pair.renew(pair.subject)
    judge.expect_ping(pair.subject, pair.other.ip4, "-c 5 -W 3000")
    judge.tcp(pair.subject, pair.other.ip4, 1)


@case("reboot without a word, under traffic", who="turn")
def reboot(pair: Pair) -> None:
    with undisturbed(pair), judge.Traffic(pair.peer, pair.own.ip4):
        pair.subject.spawn("reboot -f", 60)
        back_again(pair)


@case("kernel crash, under traffic", who="turn")
def crash(pair: Pair) -> None:
    with undisturbed(pair), judge.Traffic(pair.peer, pair.own.ip4):
        pair.subject.spawn("echo c >/proc/sysrq-trigger", 60)
        back_again(pair)


@case("QEMU killed, under traffic, and started again", who="turn")
def killed(pair: Pair) -> None:
    guest = pair.subject
    with undisturbed(pair), judge.Traffic(pair.peer, pair.own.ip4):
        guest.kill_qemu()
        time.sleep(1)
        guest.stop()
        (guest.folder / "agent.sock").unlink()
        guest.start()
        back_again(pair)
