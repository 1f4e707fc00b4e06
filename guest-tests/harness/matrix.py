# SPDX-License-Identifier: MIT
"""The suite: which cases run on which guests, in which order.

A case is a function of a Pair, registered with @case. It raises judge.Failure (or another of
FAILURES) if something is wrong, and returns a short remark, or None, if not. Guests are booted in
pairs: three have each driver on each kernel, and with 1, 2 and 4 vCPUs; two more have a guest on the
emulated NIC, whose driver has cases of its own. Quick cases run with
either guest as the subject and the other as its peer; slow ones take turns, in a pattern that has
each driver on each kernel as a subject. With long loops both guests are subjects of all.

After each case the pair must be well again: the daemon runs, the guests reach each other, and no
kernel has complained. A pair that is not, or that a case has failed on, is booted again for the
next one; a pair that does not come up fails all that is left of it.
"""

from __future__ import annotations

import importlib.util
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from . import judge, patience, report
from .agentlink import GuestGone
from .daemon import DaemonFailed
from .guest import CommandFailed, Guest
from .lab import GuestSpec, Lab, bring_up

FAILURES = (judge.Failure, CommandFailed, GuestGone, DaemonFailed, OSError)

PAIRS = [
    (GuestSpec("6.1", "netvsc", 1), GuestSpec("6.1", "hv_netvsc", 2)),
    (GuestSpec("6.12", "netvsc", 2), GuestSpec("6.12", "hv_netvsc", 1)),
    (GuestSpec("6.1", "netvsc", 4), GuestSpec("6.12", "hv_netvsc", 4)),
    (GuestSpec("6.1", "e1000", 1), GuestSpec("6.12", "e1000@82545em", 2)),
    (GuestSpec("6.12", "e1000@82544gc", 2), GuestSpec("6.1", "netvsc", 2)),
]
# With long loops also the processors, models and kernels that are not together above.
LONG_PAIRS = [
    (GuestSpec("6.12", "netvsc", 4), GuestSpec("6.1", "hv_netvsc", 4)),
    (GuestSpec("6.12", "netvsc", 1), GuestSpec("6.1", "hv_netvsc", 1)),
    (GuestSpec("6.1", "netvsc", 2), GuestSpec("6.12", "hv_netvsc", 2)),
    (GuestSpec("6.12", "e1000", 2), GuestSpec("6.1", "e1000@82545em", 2)),
    (GuestSpec("6.1", "e1000@82544gc", 4), GuestSpec("6.12", "hv_netvsc", 2)),
]
# Who is first in turn in each pair: synthetic subjects of cases that take turns are then, for one half of
# these cases, (6.1 netvsc 1) (6.12 hv 1) (6.12 hv 4), and for the other half the other three.
TURNS = "abbab"
# From the plain to the violent: what is needed later is tried first.
CASE_FILES = ["echo", "streams", "changes", "chip", "ends"]

# What a healthy kernel does not log.
COMPLAINTS = r"WARNING: |BUG: |Oops|rcu.*stall|blocked for more than|general protection|Call Trace"


@dataclass
class Pair:
    """Two guests on a network, from the subject's point of view."""

    lab: Lab
    subject: Guest
    peer: Guest
    addresses: dict[str, judge.Addresses]
    long: bool  # full-length loops

    @property
    def own(self) -> judge.Addresses:
        return self.addresses[self.subject.name]

    @property
    def other(self) -> judge.Addresses:
        return self.addresses[self.peer.name]

    def renew(self, guest: Guest) -> None:
        """Brings a guest's network up again, after a reboot or a reload."""
        self.addresses[guest.name] = bring_up(guest)

    def loop(self, times: int, seconds: float, body: Callable[[], None], least: int) -> str:
        """body() so many times, but no longer than that, unless loops are to be long.

        Fewer than `least` rounds are a failure: something in them hangs.
        """
        end = time.monotonic() + (seconds if not self.long else 600)
        done = 0
        while done < times and (time.monotonic() < end or done < least):
            body()
            done += 1
            if time.monotonic() > end + patience.stretch(60):
                raise judge.Failure("a loop", f"{least} rounds in {seconds:.0f} s and some minutes",
                                    f"{done} rounds")
        return f"{done} rounds"


@dataclass
class Case:
    name: str
    run: Callable[[Pair], str | None]
    who: str  # "each", "first" (one run covers both), or "turn"
    driver: str = ""  # subjects are guests with this one; empty: with any
    long: bool = False  # only with long loops


_cases: list[Case] = []


def case(name: str, who: str = "each", driver: str = "", long: bool = False):
    """Registers a case."""

    def register(run: Callable[[Pair], str | None]):
        _cases.append(Case(name, run, who, driver, long))
        return run

    return register


def load_cases(folder: Path) -> list[Case]:
    for name in CASE_FILES:
        spec = importlib.util.spec_from_file_location(f"cases.{name}", folder / f"{name}.py")
        assert spec and spec.loader
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return _cases


@dataclass
class Suite:
    lab: Lab
    cases: list[Case]
    long: bool = False
    seconds: float = 1e9  # when this is over, what is left is skipped
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    pair: Pair | None = None
    began: float = field(default_factory=time.monotonic)

    def run(self, pairs: list[tuple[GuestSpec, GuestSpec]]) -> None:
        for number, specs in enumerate(pairs):
            report.say(f"\n{specs[0]}  <->  {specs[1]}")
            self._pair(specs, TURNS[number % len(TURNS)])

    def _subjects(self, one: Case, turn: str, specs: tuple[GuestSpec, GuestSpec]) -> str:
        able = "".join(name for name, spec in zip("ab", specs)
                       if one.driver in ("", spec.driver.partition("@")[0]))
        if one.long and not self.long:
            return ""
        if one.who == "first":
            return able[:1]
        if one.who == "each" or self.long:
            return able
        if one.driver:
            return able[self.cases.index(one) % len(able)] if able else ""
        return turn

    def _pair(self, specs: tuple[GuestSpec, GuestSpec], turn: str) -> None:
        self._end()
        hopeless = False
        for one in self.cases:
            if one.who == "turn" and not one.driver:
                turn = "b" if turn == "a" else "a"
            for subject in self._subjects(one, turn, specs):
                if time.monotonic() - self.began > self.seconds:
                    self.skipped += 1
                elif not hopeless and (self.pair or self._boot(specs)):
                    self._case(one, subject, specs)
                else:
                    hopeless = True
                    self._count(one, subject, specs, "the guests did not come up")
        self._end()

    def _end(self) -> None:
        self.lab.stop_guests()
        self.pair = None

    def _boot(self, specs: tuple[GuestSpec, GuestSpec]) -> bool:
        self._end()
        begin = time.monotonic()
        try:
            if self.lab.daemon and not self.lab.daemon.alive():
                self.lab.start_daemon()
            a, b = self.lab.start_guests(dict(zip("ab", specs)))
            for guest in (a, b):
                guest.wait_boot()
            patience.learn(time.monotonic() - begin)
            self.pair = Pair(self.lab, a, b, {}, self.long)
            for guest in (a, b):
                self.pair.renew(guest)
        except FAILURES as error:
            self._end()
            self._fail("boot and configure", specs, str(error))
            return False
        report.say(f"  {'booted, configured by DHCP':<58} {time.monotonic() - begin:5.1f} s")
        return True

    def _case(self, one: Case, subject: str, specs: tuple[GuestSpec, GuestSpec]) -> None:
        assert self.pair
        if self.pair.subject.name != subject:
            self.pair = Pair(self.lab, self.pair.peer, self.pair.subject, self.pair.addresses,
                             self.long)
        begin = time.monotonic()
        trouble, remark = "", None
        try:
            remark = one.run(self.pair)
            self._well()
        except FAILURES as error:
            trouble = str(error)
        except Exception:
            trouble = traceback.format_exc()
        if trouble and self.lab.daemon and not self.lab.daemon.alive():
            status = self.lab.daemon.child.process.returncode
            trouble += f"\nhvnetd has ended (status {status}):\n" \
                       f"{self.lab.daemon.child.last_words()}"
        self._count(one, subject, specs, trouble, remark or "", time.monotonic() - begin)
        if trouble:
            self._end()

    def _well(self) -> None:
        """What must hold after each case."""
        pair = self.pair
        assert pair
        if self.lab.daemon and not self.lab.daemon.alive():
            raise judge.Failure("hvnetd after the case", "it runs", "it does not")
        for guest, to in ((pair.subject, pair.other), (pair.peer, pair.own)):
            judge.expect_ping(guest, to.ip4, "-c 2 -W 3000")
            said = guest.try_run(f"dmesg | grep -E -A 15 '{COMPLAINTS}'")
            if said.status == 0:
                raise judge.Failure(f"guest {guest.name}'s kernel log", "no complaint", said)

    def _count(self, one: Case, subject: str, specs: tuple[GuestSpec, GuestSpec], trouble: str,
               remark: str = "", seconds: float = 0.0) -> None:
        name = one.name if one.who == "first" else f"{one.name} [{subject}]"
        how = "FAILED" if trouble else "ok"
        report.say(f"  {how:<7} {name:<50} {seconds:5.1f} s  {remark}".rstrip())
        if trouble:
            self._fail(name, specs, trouble)
        else:
            self.passed += 1

    def _fail(self, name: str, specs: tuple[GuestSpec, GuestSpec], trouble: str) -> None:
        self.failed += 1
        self.failures.append(f"{name}: {specs[0]} <-> {specs[1]}")
        lines = trouble.strip().splitlines()
        if len(lines) > 30:
            lines[8:-20] = [f"... ({len(lines) - 28} more lines)"]
        report.say("\n".join("          | " + line for line in lines))
        boot = self.lab.folder / f"boot-{self.lab.count}"
        report.say(f"          | logs: {boot}/*/*.log"
                   + (f" {self.lab.daemon.log}" if self.lab.daemon else ""))

    def summary(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"guest-tests: {self.passed} passed, {self.failed} failed{skipped}"
